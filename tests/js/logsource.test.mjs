import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LogSource } from '../../static/js/logsource.js'
import { LogLines } from '../../static/js/logtext.js'

/** A studio that has `text`, more of it when it grows. */
function studio(text) {
  const here = { bytes: new TextEncoder().encode(text), asked: 0 }
  here.get = async (url) => {
    here.asked += 1
    const query = new URL(url, 'http://studio').searchParams
    const piece = here.bytes.slice(Number(query.get('from')), Number(query.get('to')))
    return { ok: true, status: 200, headers: new Headers({ 'X-Log-Size': String(here.bytes.length) }), arrayBuffer: async () => piece.buffer }
  }
  here.grow = (more) => {
    const offset = here.bytes.length
    const added = new TextEncoder().encode(more)
    here.bytes = new Uint8Array([...here.bytes, ...added])
    return { offset, length: added.length, data: Buffer.from(added).toString('base64') }
  }
  return here
}
const quiet = { changed() {}, trouble() {}, ended() {} }

test('live pieces that come twice, late or never leave each line once and in order', async () => {
  const here = studio('one\n')
  const log = new LogLines()
  const source = new LogSource('/bytes', log, quiet, here.get)
  await source.pull()
  const pieces = ['two\n', 'three\n', 'four ✓\n', 'five\n'].map((text) => here.grow(text))
  source.live(pieces[0])
  source.live(pieces[0])
  source.live(pieces[2])
  await source.pulling
  source.live(pieces[1])
  source.live({ offset: pieces[3].offset, length: pieces[3].length })
  await source.pulling
  assert.deepEqual(log.lines, ['one', 'two', 'three', 'four ✓', 'five'])
})

test('what fits on the end costs no request', async () => {
  const here = studio('')
  const log = new LogLines()
  const source = new LogSource('/bytes', log, quiet, here.get)
  source.live(here.grow('a\nb\n'))
  assert.deepEqual(log.lines, ['a', 'b'])
  assert.equal(here.asked, 0)
})

test('it says that it cannot read, tries again and takes that back', async () => {
  const here = studio('x\n')
  const told = []
  let failing = true
  const get = async (url) => {
    if (failing) {
      failing = false
      return { ok: false, status: 503, headers: new Headers() }
    }
    return here.get(url)
  }
  const log = new LogLines()
  await new LogSource('/bytes', log, { ...quiet, trouble: (text) => told.push(text) }, get).pull()
  assert.deepEqual(log.lines, ['x'])
  assert.match(told[0], /503/)
  assert.equal(told.at(-1), '')
})
