/** When the bytes of a log came: as the studio keeps it, and until that is asked for as this page sees them come. */

const EACH_MS = 250
const RECORD_WORDS = 2

export class LogTimes {
  constructor() {
    /** @type {number[]} offsets, growing */
    this.offsets = []
    /** @type {number[]} when what begins there came (ms); 0 where this page does not know it */
    this.times = []
    /** How far the studio's own record was read. */
    this.known = 0
    /** Whether something came of which only the studio knows when. */
    this.lacking = false
  }

  /**
   * Note bytes that this page took: with their time when they came live.
   * @param {number} offset @param {number} at
   */
  note(offset, at) {
    const last = this.times.at(-1) ?? 0
    if (!at) this.lacking = true
    if (at ? last && at - last < EACH_MS : !last) return
    this.offsets.push(offset)
    this.times.push(at)
  }

  /**
   * Take what the studio keeps: records of an offset and a time, 8 bytes each. What came live after them stays.
   * @param {ArrayBuffer} buffer
   */
  fill(buffer) {
    const words = new BigUint64Array(buffer, 0, Math.floor(buffer.byteLength / (8 * RECORD_WORDS)) * RECORD_WORDS)
    if (!words.length) return
    const [first, last] = [Number(words[0]), Number(words[words.length - RECORD_WORDS])]
    const before = this.offsets.findIndex((offset) => offset >= first)
    const after = this.offsets.findIndex((offset) => offset > last)
    const cut = before < 0 ? this.offsets.length : before
    const later = after < 0 ? { offsets: [], times: [] } : { offsets: this.offsets.slice(after), times: this.times.slice(after) }
    this.offsets.length = this.times.length = cut
    for (let index = 0; index < words.length; index += RECORD_WORDS) this.#push(Number(words[index]), Number(words[index + 1]))
    for (const [index, offset] of later.offsets.entries()) if (later.times[index]) this.#push(offset, later.times[index])
    this.known = last
  }

  /** @param {number} offset @param {number} at */
  #push(offset, at) {
    this.offsets.push(offset)
    this.times.push(at)
  }

  /** When the byte at an offset came (ms), or 0. @param {number} offset */
  at(offset) {
    let [low, high] = [0, this.offsets.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.offsets[middle] <= offset) low = middle + 1
      else high = middle
    }
    return low ? this.times[low - 1] : 0
  }
}
