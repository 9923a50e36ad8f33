import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Replacing } from '../../static/js/replacing.js'

/** A page with one element, which a request may replace. */
function page() {
  const told = []
  const waiting = []
  const place = { element: { id: 'head', isConnected: true, number: 1 } }
  const replacing = new Replacing((element, detail) => told.push([element.number, detail.event]), {
    find: (id) => (id === 'head' ? place.element : null),
    later: (run) => waiting.push(run),
  })
  const swap = () => {
    place.element.isConnected = false
    place.element = { id: 'head', isConnected: true, number: place.element.number + 1 }
  }
  return { told, replacing, place, swap, settle: () => waiting.splice(0).forEach((run) => run()) }
}

test('an event during a request is told to the element that took the place', () => {
  const { told, replacing, place, swap, settle } = page()
  replacing.began('r1', place.element)
  assert.equal(replacing.keeps(place.element, { event: 'changed' }), true)
  swap()
  replacing.ended('r1')
  assert.deepEqual(told, [])
  settle()
  assert.deepEqual(told, [[2, 'changed']])
})

test('an event between the swap and the new listeners is kept, too', () => {
  const { told, replacing, place, swap, settle } = page()
  replacing.began('r1', place.element)
  swap()
  replacing.ended('r1')
  assert.equal(replacing.keeps(place.element, { event: 'changed' }), true)
  settle()
  assert.deepEqual(told, [[2, 'changed']])
})

test('many events of one kind are told once', () => {
  const { told, replacing, place, settle } = page()
  replacing.began('r1', place.element)
  for (let i = 0; i < 5; i++) replacing.keeps(place.element, { event: 'changed' })
  replacing.ended('r1')
  settle()
  assert.deepEqual(told, [[1, 'changed']])
})

test('an element that nothing replaces is left alone', () => {
  const { replacing, place } = page()
  assert.equal(replacing.keeps(place.element, { event: 'changed' }), false)
})
