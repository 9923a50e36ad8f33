import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Heights } from '../../static/js/heights.js'

test('it agrees with adding up, whatever is pushed, set and cut', () => {
  let state = 7
  const random = (most) => (state = (state * 48271) % 2147483647) % most
  const tree = new Heights(20)
  let plain = []
  for (let step = 0; step < 6000; step += 1) {
    const what = random(10)
    if (what < 6 || !plain.length) {
      const height = 20 * (1 + random(5))
      tree.push(height)
      plain.push(height)
    } else if (what < 9) {
      const line = random(plain.length)
      const height = 20 * (1 + random(5))
      tree.set(line, height)
      plain[line] = height
    } else {
      const keep = plain.length - random(3)
      tree.cut(keep)
      plain = plain.slice(0, keep)
    }
    if (step % 97 || !plain.length) continue
    const line = random(plain.length)
    const top = plain.slice(0, line).reduce((sum, height) => sum + height, 0)
    assert.equal(tree.top(line), top)
    assert.equal(tree.at(top), line)
    assert.equal(tree.at(top + plain[line] - 1), line)
    assert.equal(tree.total, plain.reduce((sum, height) => sum + height, 0))
  }
})
