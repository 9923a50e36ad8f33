/** The traffic bar's arithmetic: cuts between neighbours, what is typed, what changes. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { change, cutsOf, moved, typed } from '../../static/js/traffic.js'

const share = (name, percent, before) => ({ name, percent, before, colour: '' })

test('cuts lie where one share ends and the next begins', () => {
  assert.deepEqual(cutsOf([80, 20]), [80])
  assert.deepEqual(cutsOf([50, 0, 50]), [50, 50])
  assert.deepEqual(cutsOf([100]), [])
})

test('a moved cut changes its two neighbours alone', () => {
  assert.deepEqual(moved([50, 30, 20], 0, 40), [40, 40, 20])
  assert.deepEqual(moved([50, 30, 20], 1, 90), [50, 40, 10])
})

test('a cut stops at the cuts beside it and at the ends', () => {
  assert.deepEqual(moved([50, 30, 20], 0, 99), [80, 0, 20])
  assert.deepEqual(moved([50, 30, 20], 1, 10), [50, 0, 50])
  assert.deepEqual(moved([80, 20], 0, -5), [0, 100])
  assert.deepEqual(moved([80, 20], 0, 200), [100, 0])
})

test('whatever is moved, nothing is lost and nothing is below nothing', () => {
  let now = [25, 25, 25, 25]
  for (let step = 0; step < 500; step += 1) {
    now = moved(now, step % 3, (step * 37) % 120 - 10)
    assert.equal(now.reduce((sum, one) => sum + one, 0), 100)
    assert.ok(now.every((one) => one >= 0 && Number.isInteger(one)))
  }
})

test('of two deployments the other one takes the rest of what is typed', () => {
  assert.deepEqual(typed([80, 20], 1, 35), [65, 35])
  assert.deepEqual(typed([80, 20], 0, 140), [100, 0])
  assert.deepEqual(typed([50, 30, 20], 0, 10), [10, 30, 20])
})

test('what changes is said, and what does not make a whole', () => {
  assert.deepEqual(change([share('blue', 80, 80), share('green', 20, 20)]), { text: '', fits: true, changed: false })
  assert.equal(change([share('blue', 60, 80), share('green', 40, 20)]).text, 'blue 80 % → 60 %, green 20 % → 40 %')
  const wrong = change([share('blue', 60, 80), share('green', 20, 20)])
  assert.ok(!wrong.fits && wrong.text.includes('In all 80 %'))
  assert.ok(change([share('blue', 0, 100), share('green', 0, 0)]).fits)
})
