/** Every place where some words stand in a log, kept up to date as it grows. Pure but for its pauses. */
import { bare, found } from './logtext.js'

const SLICE = 20_000
const MOST = 100_000

export class LogSearch {
  /**
   * @param {import('./logtext.js').LogLines} log
   * @param {() => void} changed
   * @param {(run: () => void) => void} [pause]
   */
  constructor(log, changed, pause = (run) => setTimeout(run)) {
    this.log = log
    this.changed = changed
    this.pause = pause
    this.words = ''
    /** @type {{line: number, at: number}[]} in the log's order */
    this.places = []
    this.scanned = 0
    this.now = -1
    this.run = 0
    this.busy = false
  }

  /** @param {string} words */
  begin(words) {
    this.words = words.toLowerCase()
    this.places = []
    this.scanned = 0
    this.now = -1
    this.run += 1
    this.#scan(this.run)
  }

  /** Look through the lines that came since. */
  more() {
    if (this.words && !this.busy) this.#scan(this.run)
  }

  get full() {
    return this.places.length >= MOST
  }

  /** @param {number} run */
  #scan(run) {
    if (run !== this.run) return
    this.busy = Boolean(this.words) && this.scanned < this.log.complete && !this.full
    if (!this.busy) {
      this.changed()
      return
    }
    const until = Math.min(this.scanned + SLICE, this.log.complete)
    for (; this.scanned < until && !this.full; this.scanned += 1) {
      for (const at of found(bare(this.log.lines[this.scanned]), this.words)) this.places.push({ line: this.scanned, at })
    }
    this.changed()
    if (this.scanned < this.log.complete) this.pause(() => this.#scan(run))
    else this.busy = false
  }

  /**
   * Go to the next place (1) or the one before (-1), round and round; the first step starts at `from`.
   * @param {number} step
   * @param {number} from line in sight
   */
  step(step, from) {
    const count = this.places.length
    if (!count) return null
    if (this.now < 0) {
      const next = this.places.findIndex((place) => place.line >= from)
      this.now = step > 0 ? (next < 0 ? 0 : next) : ((next < 0 ? count : next) - 1 + count) % count
    } else this.now = (this.now + step + count) % count
    return this.places[this.now]
  }

  /** @param {number} line @param {string} text */
  marks(line, text) {
    if (!this.words) return []
    const current = this.places[this.now]
    return found(text, this.words).map((at) => ({ from: at, to: at + this.words.length, now: current?.line === line && current.at === at }))
  }
}
