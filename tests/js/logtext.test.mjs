import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bare, coloured, found, LogLines, looksWrong, markedIn, overwritten } from '../../static/js/logtext.js'

const bytes = (text) => new TextEncoder().encode(text)

test('it takes each byte once, in order, however pieces overlap', () => {
  const whole = bytes('one\ntwo ✓\nthree\r\nfour ünï\nfive')
  for (let seed = 1; seed < 200; seed += 1) {
    const log = new LogLines()
    let state = seed
    const random = (most) => (state = (state * 48271) % 2147483647) % most
    while (log.end < whole.length) {
      const from = Math.max(log.end - random(7), 0)
      log.take(from, whole.subarray(from, Math.min(from + 1 + random(9), whole.length)))
    }
    assert.deepEqual(log.lines, ['one', 'two ✓', 'three', 'four ünï', 'five'])
  }
})

test('it refuses bytes behind a gap', () => {
  const log = new LogLines()
  assert.equal(log.take(0, bytes('ab\n')), true)
  assert.equal(log.take(5, bytes('x')), false)
  assert.equal(log.end, 3)
})

test('it keeps the last state of a progress bar', () => {
  assert.equal(overwritten('10%\r20%\r100%'), '100%')
  assert.equal(overwritten('done\r'), 'done')
  const log = new LogLines()
  for (const [at, text] of [[0, ' 1%\r'], [4, ' 2%\r'], [8, ' 3%\rend\nnext']]) log.take(at, bytes(text))
  assert.deepEqual(log.lines, ['end', 'next'])
})

test('it turns colours into classes and drops every other sequence', () => {
  const { runs } = coloured('a\x1b[1;31mred\x1b[0m\x1b[2K\x1b]8;;x\x07link\x1b]8;;\x07 \x1b[38;5;46mg\x1b[38;2;0;0;250mb')
  assert.deepEqual(runs.map((run) => [run.text, run.classes]), [
    ['a', ''], ['red', 'ansi-red-fg ansi-bold'], ['link', ''], [' ', ''], ['g', 'ansi-bright-green-fg'], ['b', 'ansi-bright-blue-fg'],
  ])
})

test('a colour goes on in the next line until it is reset', () => {
  const log = new LogLines()
  log.take(0, bytes('\x1b[32mone\ntwo\n\x1b[0mthree\nfour\n'))
  assert.deepEqual([0, 1, 2, 3].map((line) => log.runs(line)[0].classes), ['ansi-green-fg', 'ansi-green-fg', '', ''])
})

test('text that looks like markup stays text', () => {
  assert.deepEqual(coloured('<b onclick=x>').runs, [{ text: '<b onclick=x>', classes: '' }])
})

test('it finds the lines that look like errors', () => {
  for (const line of ['ERROR: no', 'ValueError: bad', 'Traceback (most recent call last):', '[error] x']) assert.equal(looksWrong(line), true, line)
  for (const line of ['0 errors', 'error=0.12', 'val_error 0.1', 'no exceptions']) assert.equal(looksWrong(line), false, line)
})

test('it knows when lines arrived live, and only those', () => {
  const log = new LogLines()
  log.take(0, bytes('old\n'), 0)
  log.take(4, bytes('né'), 1000)
  log.take(7, bytes('w\nnext\n'), 2000)
  log.take(14, bytes('asked for\n'), 0)
  assert.deepEqual([0, 1, 2, 3].map((line) => log.timeOf(line)), [0, 1000, 2000, 0])
  assert.equal(log.times.lacking, true)
})

/** Records as the studio keeps them. */
const records = (...numbers) => new BigUint64Array(numbers.map(BigInt)).buffer

test('what the studio keeps of when lines came stands in the place of what the page saw', () => {
  const log = new LogLines()
  log.take(0, bytes('a\nb\nc\n'), 0)
  log.take(6, bytes('d\n'), 5000)
  log.take(8, bytes('e\n'), 9000)
  log.times.fill(records(0, 100, 2, 4100, 6, 4990))
  assert.deepEqual([0, 1, 2, 3, 4].map((line) => log.timeOf(line)), [100, 4100, 4100, 4990, 9000])
  log.take(10, bytes('f\n'), 0)
  log.times.fill(records(6, 4990, 8, 8990, 10, 9500))
  assert.deepEqual([0, 1, 2, 3, 4, 5].map((line) => log.timeOf(line)), [100, 4100, 4100, 4990, 8990, 9500])
  assert.equal(log.times.known, 10)
})

test('a log of which no times were kept has none', () => {
  const log = new LogLines()
  log.take(0, bytes('a\n'), 0)
  log.times.fill(records())
  assert.equal(log.timeOf(0), 0)
})

test('it reads links to lines', () => {
  assert.deepEqual(markedIn('#L12'), { from: 12, to: 12 })
  assert.deepEqual(markedIn('#L20-L12'), { from: 12, to: 20 })
  assert.equal(markedIn('#top'), null)
})

test('it finds words whatever their case', () => {
  assert.deepEqual(found('Loss loss LOSS', 'loss'), [0, 5, 10])
  assert.equal(bare('\x1b[31mx\x1b[0m'), 'x')
})
