/** Lines of a node's log: asked for by time, each once, and again after a failure. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LineSource } from '../../static/js/linesource.js'

function answer(text, headers = {}, status = 200) {
  return new Response(text, { status, headers })
}

function setting(answers) {
  const asked = []
  const told = { ended: false, cut: false, trouble: [], said: [], changed: 0 }
  const taker = { end: 0, text: '', take(offset, bytes) {
    assert.equal(offset, this.end)
    this.text += new TextDecoder().decode(bytes)
    this.end += bytes.length
    return true
  } }
  const source = new LineSource('/lines?previous=1', taker, {
    changed: () => (told.changed += 1), trouble: (text) => told.trouble.push(text), ended: () => (told.ended = true),
    said: (text) => told.said.push(text), cut: () => (told.cut = true),
  }, async (url) => {
    asked.push(url)
    return answers.shift()()
  })
  return { asked, told, taker, source }
}

test('it goes on from the time of the last line', async () => {
  const { asked, taker, source, told } = setting([
    () => answer('one\ntwo\n', { 'X-Log-After': '2026-03-01T12:00:00.000000002Z' }),
    () => answer('three\n', { 'X-Log-After': '2026-03-01T12:00:01.000000000Z', 'X-Log-Ended': 'true' }),
  ])
  await source.pull()
  await source.pull()
  assert.equal(taker.text, 'one\ntwo\nthree\n')
  assert.deepEqual(asked, ['/lines?previous=1&after=', '/lines?previous=1&after=2026-03-01T12%3A00%3A00.000000002Z'])
  assert.ok(told.ended && told.changed === 2)
})

test('asked twice at once it asks once', async () => {
  const { asked, source } = setting([() => answer('')])
  await Promise.all([source.pull(), source.pull()])
  assert.equal(asked.length, 1)
})

test('what the studio says of a cluster that is away is told, and it tries again', async () => {
  const { taker, source, told } = setting([
    () => answer('The cluster does not answer: refused', {}, 503),
    () => answer('here\n', { 'X-Log-After': 'x', 'X-Log-Cut': 'true' }),
  ])
  await source.pull()
  assert.equal(told.trouble[0], 'The cluster does not answer: refused Trying again.')
  assert.equal(told.trouble.at(-1), '')
  assert.ok(told.cut)
  assert.equal(taker.text, 'here\n')
})
