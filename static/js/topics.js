/** What a page watches, and the cursors that say how far it has seen. Pure: no document, no network. */

/**
 * Topics named in an attribute, separated by spaces.
 * @param {string | null | undefined} text
 * @returns {string[]}
 */
export function topicsIn(text) {
  return (text ?? '').split(/\s+/).filter(Boolean)
}

/**
 * Whether a topic is a log's, which has offsets: its kind is `log`, or begins with `log-`.
 * @param {string} name
 */
export function isLog(name) {
  return /^log(-[a-z-]+)?:/.test(name)
}

/**
 * The parts of a cursor `live=1700-0;log:7=120`.
 * @param {string} text
 * @returns {Map<string, string>}
 */
export function readCursor(text) {
  const parts = new Map()
  for (const part of (text || '').split(';')) {
    const at = part.lastIndexOf('=')
    if (at > 0) parts.set(part.slice(0, at), part.slice(at + 1))
  }
  return parts
}

/**
 * @param {Map<string, string>} parts
 * @returns {string}
 */
export function writeCursor(parts) {
  return [...parts].map(([name, at]) => `${name}=${at}`).join(';')
}

/**
 * Compare two positions `ms-seq` (or plain offsets).
 * @param {string} one
 * @param {string} other
 * @returns {number} below 0 when `one` is earlier
 */
export function comparePositions(one, other) {
  const [a, b = 0] = one.split('-').map(Number)
  const [c, d = 0] = other.split('-').map(Number)
  return a - c || b - d
}

/**
 * The cursor to open a stream with: where the stream stood, but no later than any tab that joins it had seen.
 * @param {string} reached the stream's last id, or '' when it never ran
 * @param {{topics: Record<string, number | null>, since: string}[]} joining tabs whose topics the stream did not have
 * @param {Record<string, number | null>} all every wanted topic, with the offset where a log should start
 * @returns {string}
 */
export function cursorFor(reached, joining, all) {
  const parts = readCursor(reached)
  for (const tab of joining) {
    const seen = readCursor(tab.since).get('live')
    const now = parts.get('live')
    if (seen && (!now || comparePositions(seen, now) < 0)) parts.set('live', seen)
  }
  for (const name of [...parts.keys()]) if (name !== 'live' && !(name in all)) parts.delete(name)
  for (const [name, offset] of Object.entries(all)) if (offset !== null && !parts.has(name)) parts.set(name, String(offset))
  return writeCursor(parts)
}

/**
 * The union of what tabs want; a log wanted from two offsets starts at the lower one.
 * @param {Iterable<Record<string, number | null>>} wants
 * @returns {Record<string, number | null>}
 */
export function union(wants) {
  /** @type {Record<string, number | null>} */
  const all = {}
  for (const topics of wants) {
    for (const [name, offset] of Object.entries(topics)) {
      all[name] = name in all && all[name] !== null && offset !== null ? Math.min(/** @type {number} */ (all[name]), offset) : (offset ?? all[name] ?? null)
    }
  }
  return all
}
