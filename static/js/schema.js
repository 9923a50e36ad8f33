/** What a YAML may have at a place, by the JSON schema of its kind. Pure: no document, no network. */

/**
 * The keys around a line of YAML, from the outside: of `a:\n  b:\n    c: 1` at the last line `['a', 'b']`; `[]` stands for an entry of a list.
 * @param {string[]} lines all lines
 * @param {number} at the line's index
 * @param {number} [indent] how far the line is indented, where it is still empty
 * @returns {string[]}
 */
export function pathAt(lines, at, indent = indentOf(lines[at])) {
  const path = []
  let below = indent
  const own = lines[at].match(/^(\s*)((?:- +)+)/)
  if (own) {
    path.unshift('[]')
    below = own[1].length
  }
  for (let index = at - 1; index >= 0; index -= 1) {
    // The entries of a list may stand at the indent of its key.
    if (below === 0 && path[0] !== '[]') break
    const line = lines[index]
    if (!line.trim() || line.trim().startsWith('#')) continue
    const dash = line.match(/^(\s*)- +([^\s:#][^:]*):/)
    const key = line.match(/^(\s*)([^\s:#-][^:]*|-[^\s:][^:]*):(?:\s|$)/)
    if (dash && dash[1].length + 2 <= below && dash[1].length < below) {
      const inner = dash[1].length + 2
      if (inner < below) path.unshift(unquoted(dash[2]))
      path.unshift('[]')
      below = dash[1].length
      continue
    }
    if (!key) continue
    const deeper = key[1].length < below || (path[0] === '[]' && key[1].length === below && /:\s*$/.test(line))
    if (!deeper) continue
    path.unshift(unquoted(key[2]))
    below = key[1].length
  }
  return path
}

/** @param {string} line */
export function indentOf(line) {
  return /** @type {RegExpMatchArray} */ (line.match(/^ */))[0].length
}

/**
 * Every schema that may count at a path.
 * @param {any} root
 * @param {string[]} path
 * @returns {any[]}
 */
export function schemasAt(root, path) {
  let found = alternatives(root, root)
  for (const key of path) {
    found = found.flatMap((one) => {
      const next = key === '[]' ? one.items : one.properties?.[key] ?? (typeof one.additionalProperties === 'object' ? one.additionalProperties : undefined)
      return next ? alternatives(root, next) : []
    })
  }
  return found
}

/**
 * The fields that may stand at a path, those that must be there first.
 * @param {any} root
 * @param {string[]} path
 * @returns {{name: string, needed: boolean, kind: string, about: string, holds: boolean}[]}
 */
export function fieldsAt(root, path) {
  const fields = new Map()
  for (const one of schemasAt(root, path)) {
    for (const [name, schema] of Object.entries(one.properties ?? {})) {
      // What has no effect is taken, and not proposed.
      if (fields.has(name) || schema['x-no-effect']) continue
      const each = alternatives(root, schema)
      fields.set(name, {
        name,
        needed: (one.required ?? []).includes(name),
        kind: kindsOf(each),
        about: schema.description ?? each.find((part) => part.description)?.description ?? '',
        holds: each.some((part) => part.type === 'object' || part.type === 'array'),
      })
    }
  }
  return [...fields.values()].sort((a, b) => Number(b.needed) - Number(a.needed))
}

/**
 * The values that a field may have, where they are known.
 * @param {any} root
 * @param {string[]} path the field's own name last
 * @returns {string[]}
 */
export function valuesAt(root, path) {
  const values = new Set()
  for (const one of schemasAt(root, path)) {
    for (const value of one.enum ?? (one.const === undefined ? [] : [one.const])) values.add(String(value))
    if (one.type === 'boolean') for (const value of ['true', 'false']) values.add(value)
    if (one.default !== undefined && one.default !== null && typeof one.default !== 'object') values.add(String(one.default))
  }
  return [...values]
}

/**
 * @param {any} root
 * @param {any} schema
 * @param {number} [depth]
 * @returns {any[]}
 */
function alternatives(root, schema, depth = 0) {
  if (!schema || typeof schema !== 'object' || depth > 8) return []
  if (schema.$ref) return alternatives(root, schema.$ref.split('/').slice(1).reduce((/** @type {any} */ at, /** @type {string} */ part) => at?.[part], root), depth + 1)
  const more = [...(schema.anyOf ?? []), ...(schema.oneOf ?? []), ...(schema.allOf ?? [])]
  return more.length ? more.flatMap((one) => alternatives(root, one, depth + 1)) : [schema]
}

/** @param {any[]} each */
function kindsOf(each) {
  const kinds = each.flatMap((one) => (one.enum ? ['one of ' + one.enum.length] : one.type && one.type !== 'null' ? [one.type] : []))
  return [...new Set(kinds)].join(' or ')
}

/** @param {string} key */
function unquoted(key) {
  return key.trim().replace(/^(["'])(.*)\1$/, '$2')
}
