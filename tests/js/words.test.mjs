import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { namedIcons, sprite } from '../../static/icons.mjs'
import { LogSearch } from '../../static/js/logsearch.js'
import { LogLines } from '../../static/js/logtext.js'
import { ago, duration, filesize } from '../../static/js/words.js'

test('words for times and sizes are those of the server', async () => {
  const cases = JSON.parse(await readFile(new URL('words.json', import.meta.url), 'utf8'))
  for (const [seconds, text] of cases.duration) assert.equal(duration(seconds), text)
  for (const [bytes, text] of cases.filesize) assert.equal(filesize(bytes), text)
  for (const [seconds, text] of cases.ago) assert.equal(ago(seconds), text)
})

test('it sees the icons that templates, Python and scripts name', () => {
  assert.deepEqual(namedIcons('{% icon "cpu" %} {% include "x" with icon="server" %} {"icon": "tag"}'), ['cpu', 'server', 'tag'])
})

test('the sprite has a symbol an icon and no frame of Tabler', async () => {
  const text = await sprite(['x'], async () => '<!-- tags --><svg width="24"><path stroke="none" d="M0 0h24v24H0z" fill="none"/><path d="M18 6l-12 12" /></svg>')
  assert.equal(text.trim(), '<svg xmlns="http://www.w3.org/2000/svg"><symbol id="i-x" viewBox="0 0 24 24"><path d="M18 6l-12 12" /></symbol></svg>')
})

test('the search counts all places, steps through them and keeps up', () => {
  const log = new LogLines()
  log.take(0, new TextEncoder().encode('loss 1\nnothing\nLoss loss\n'))
  const search = new LogSearch(log, () => {}, (run) => run())
  search.begin('LOSS')
  assert.equal(search.places.length, 3)
  assert.deepEqual(search.step(1, 1), { line: 2, at: 0 })
  assert.deepEqual(search.step(1, 0), { line: 2, at: 5 })
  assert.deepEqual(search.step(1, 0), { line: 0, at: 0 })
  log.take(log.end, new TextEncoder().encode('loss\n'))
  search.more()
  assert.equal(search.places.length, 4)
})
