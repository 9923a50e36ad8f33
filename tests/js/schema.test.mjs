import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fieldsAt, pathAt, valuesAt } from '../../static/js/schema.js'

const SCHEMA = {
  $defs: {
    Input: { type: 'object', required: ['path'], properties: { mode: { anyOf: [{ enum: ['ro_mount', 'download'] }, { type: 'null' }] }, path: { type: 'string' } } },
    Step: { type: 'object', properties: { name: { type: 'string' }, on: { type: 'boolean' } } },
  },
  type: 'object',
  required: ['command'],
  properties: {
    code: { type: 'string' },
    command: { type: 'string', description: 'What runs' },
    identity: { 'x-no-effect': 'none' },
    inputs: { anyOf: [{ type: 'object', additionalProperties: { anyOf: [{ $ref: '#/$defs/Input' }, { type: 'string' }] } }, { type: 'null' }] },
    steps: { type: 'array', items: { $ref: '#/$defs/Step' } },
  },
}

const at = (text) => {
  const lines = text.split('\n')
  return pathAt(lines, lines.length - 1)
}

test('it knows the keys around a line', () => {
  assert.deepEqual(at('command: x'), [])
  assert.deepEqual(at('inputs:\n  data:\n    '), ['inputs', 'data'])
  assert.deepEqual(at('inputs:\n  data:\n    path: x\n  more:\n    mo'), ['inputs', 'more'])
  assert.deepEqual(at('inputs:\n  data:\n    path: x\ncode: y\n'), [])
  assert.deepEqual(at('inputs:\n\n  # a note: here\n  "my data":\n    mode: d'), ['inputs', 'my data'])
})

test('it knows entries of lists, indented or not', () => {
  assert.deepEqual(at('steps:\n  - na'), ['steps', '[]'])
  assert.deepEqual(at('steps:\n- na'), ['steps', '[]'])
  assert.deepEqual(at('steps:\n  - name: a\n    o'), ['steps', '[]'])
  assert.deepEqual(at('steps:\n  - name: a\n  - name: b\n    o'), ['steps', '[]'])
})

test('it proposes the fields of a place, needed ones first, and none without effect', () => {
  assert.deepEqual(fieldsAt(SCHEMA, []).map((one) => one.name), ['command', 'code', 'inputs', 'steps'])
  assert.deepEqual(fieldsAt(SCHEMA, ['inputs', 'data']).map((one) => one.name), ['path', 'mode'])
  assert.deepEqual(fieldsAt(SCHEMA, ['steps', '[]']).map((one) => one.name), ['name', 'on'])
  assert.deepEqual(fieldsAt(SCHEMA, ['nothing', 'there']), [])
  assert.equal(fieldsAt(SCHEMA, [])[2].holds, true)
})

test('it proposes the values that a field may have', () => {
  assert.deepEqual(valuesAt(SCHEMA, ['inputs', 'data', 'mode']), ['ro_mount', 'download'])
  assert.deepEqual(valuesAt(SCHEMA, ['steps', '[]', 'on']), ['true', 'false'])
  assert.deepEqual(valuesAt(SCHEMA, ['command']), [])
})

test('a schema that refers to itself ends', () => {
  const endless = { $defs: { A: { $ref: '#/$defs/A' } }, $ref: '#/$defs/A' }
  assert.deepEqual(fieldsAt(endless, ['a', 'b']), [])
})
