/**
 * A log as lines: bytes in, lines out, each once and in order. Pure: no document, no network.
 *
 * Colours follow ECMA-48 SGR; every other escape sequence is dropped. They become class names, never styles, so that
 * a log cannot reach past the page's content security policy.
 */

import { LogTimes } from './logtimes.js'

const NAMES = ['black', 'red', 'green', 'yellow', 'blue', 'magenta', 'cyan', 'white']
// CSI sequences, OSC strings (hyperlinks, titles), and two-byte escapes.
const ESCAPES = /\x1b(?:\[([0-9;:?]*)[ -/]*([@-~])|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])/g
const ERROR = /(?:^|[^\w.=-])(?:error|fatal|panic|traceback|exception|critical)(?![\w=])/i
const RAISED = /\b[A-Z]\w*(?:Error|Exception)\b/
const NO_ERROR = /\b(?:0|no|without) (?:errors?|exceptions?)\b/i

/**
 * @typedef {{fg: string, bg: string, bold: boolean, faint: boolean, italic: boolean, underline: boolean, inverse: boolean}} Ink
 * @typedef {{text: string, classes: string}} Run
 */

/** @type {Ink} */
export const PLAIN = Object.freeze({ fg: '', bg: '', bold: false, faint: false, italic: false, underline: false, inverse: false })

/**
 * Cut a line into runs of one look.
 * @param {string} line
 * @param {Ink} [ink] the look at its start
 * @returns {{runs: Run[], ink: Ink}} and the look at its end
 */
export function coloured(line, ink = PLAIN) {
  /** @type {Run[]} */
  const runs = []
  let from = 0
  const put = (/** @type {number} */ to) => {
    if (to > from) runs.push({ text: line.slice(from, to), classes: classesOf(ink) })
  }
  for (const match of line.matchAll(ESCAPES)) {
    put(match.index)
    from = match.index + match[0].length
    if (match[2] === 'm') ink = inked(ink, match[1])
  }
  put(line.length)
  return { runs, ink }
}

/**
 * The line without escape sequences.
 * @param {string} line
 */
export function bare(line) {
  return line.includes('\x1b') ? line.replace(ESCAPES, '') : line
}

/** @param {string} line */
export function looksWrong(line) {
  return (ERROR.test(line) || RAISED.test(line)) && !NO_ERROR.test(line)
}

/**
 * What a terminal would show of a line in which a progress bar wrote over itself.
 * @param {string} line
 */
export function overwritten(line) {
  if (!line.includes('\r')) return line
  const parts = line.split('\r')
  for (let index = parts.length - 1; index >= 0; index -= 1) if (parts[index]) return parts[index]
  return ''
}

/**
 * @param {Ink} ink
 * @param {string} codes
 * @returns {Ink}
 */
function inked(ink, codes) {
  const next = { ...ink }
  const list = codes.split(/[;:]/).map(Number)
  for (let index = 0; index < list.length; index += 1) {
    const code = list[index]
    if (code === 0) Object.assign(next, PLAIN)
    else if (code === 1) next.bold = true
    else if (code === 2) next.faint = true
    else if (code === 3) next.italic = true
    else if (code === 4) next.underline = true
    else if (code === 7) next.inverse = true
    else if (code === 22) next.bold = next.faint = false
    else if (code === 23) next.italic = false
    else if (code === 24) next.underline = false
    else if (code === 27) next.inverse = false
    else if (code >= 30 && code <= 37) next.fg = NAMES[code - 30]
    else if (code >= 90 && code <= 97) next.fg = `bright-${NAMES[code - 90]}`
    else if (code >= 40 && code <= 47) next.bg = NAMES[code - 40]
    else if (code >= 100 && code <= 107) next.bg = `bright-${NAMES[code - 100]}`
    else if (code === 39) next.fg = ''
    else if (code === 49) next.bg = ''
    else if (code === 38 || code === 48) {
      const wide = list[index + 1] === 5 ? { name: ofPalette(list[index + 2]), skip: 2 } : { name: nearest(list[index + 2], list[index + 3], list[index + 4]), skip: 4 }
      if (code === 38) next.fg = wide.name
      else next.bg = wide.name
      index += wide.skip
    }
  }
  return next
}

/** @param {Ink} ink */
function classesOf(ink) {
  if (ink === PLAIN) return ''
  const [fg, bg] = ink.inverse ? [ink.bg || 'bright-white', ink.fg || 'white'] : [ink.fg, ink.bg]
  return [fg && `ansi-${fg}-fg`, bg && `ansi-${bg}-bg`, ink.bold && 'ansi-bold', ink.faint && 'ansi-faint', ink.italic && 'ansi-italic', ink.underline && 'ansi-underline'].filter(Boolean).join(' ')
}

/** One of 256 colours as the nearest of the sixteen that the themes know. @param {number} code */
function ofPalette(code) {
  if (!(code >= 0 && code <= 255)) return ''
  if (code < 8) return NAMES[code]
  if (code < 16) return `bright-${NAMES[code - 8]}`
  if (code >= 232) return nearest(...grey((code - 232) * 10 + 8))
  const cube = (/** @type {number} */ step) => (step ? step * 40 + 55 : 0)
  return nearest(cube(Math.floor((code - 16) / 36)), cube(Math.floor((code - 16) / 6) % 6), cube((code - 16) % 6))
}

/** @param {number} value @returns {[number, number, number]} */
const grey = (value) => [value, value, value]

/** @param {number} red @param {number} green @param {number} blue */
function nearest(red = 0, green = 0, blue = 0) {
  const most = Math.max(red, green, blue)
  const least = Math.min(red, green, blue)
  if (most - least < 40) return most < 50 ? 'black' : most < 130 ? 'bright-black' : most < 220 ? 'white' : 'bright-white'
  const half = (most + least) / 2
  const index = Number(red > half) + 2 * Number(green > half) + 4 * Number(blue > half)
  return most > 210 ? `bright-${NAMES[index]}` : NAMES[index]
}

/** The lines of a log, fed with bytes from wherever they come. */
export class LogLines {
  /** @param {number} [start] the offset of the first byte that is kept */
  constructor(start = 0) {
    this.start = start
    /** Offset of the next byte that is wanted. */
    this.end = start
    /** @type {string[]} complete lines, then the one that is still being written (when it has text) */
    this.lines = []
    /** @type {Map<number, Ink>} the look at the start of lines that do not start plain */
    this.inks = new Map()
    this.times = new LogTimes()
    /** @type {number[]} the offset at which each line begins, and the next one will */
    this.starts = [start]
    /** @type {number[]} */
    this.wrong = []
    this.complete = 0
    this.rest = ''
    this.ink = PLAIN
    this.decoder = new TextDecoder('utf-8')
  }

  /**
   * Take bytes that begin at `offset`; what is already there is left out.
   * @param {number} offset
   * @param {Uint8Array} bytes
   * @param {number} [at] when they arrived live
   * @returns {boolean} false when bytes before them are missing
   */
  take(offset, bytes, at = 0) {
    if (offset > this.end) return false
    const fresh = bytes.subarray(Math.min(this.end - offset, bytes.length))
    if (!fresh.length) return true
    this.times.note(this.end, at)
    for (let next = fresh.indexOf(10) + 1; next > 0; next = fresh.indexOf(10, next) + 1) this.starts.push(this.end + next)
    this.end += fresh.length
    const parts = (this.rest + this.decoder.decode(fresh, { stream: true })).split('\n')
    this.rest = parts.pop() ?? ''
    this.lines.length = this.complete
    for (const part of parts) this.#add(part)
    // A progress bar may write megabytes without a line's end: only its last state is kept.
    const cut = this.rest.lastIndexOf('\r', this.rest.length - 2)
    if (cut > 0) this.rest = this.rest.slice(cut)
    if (this.rest) this.lines.push(overwritten(this.rest))
    return true
  }

  /** @param {string} raw */
  #add(raw) {
    const line = overwritten(raw)
    const index = this.complete
    if (this.ink !== PLAIN) this.inks.set(index, this.ink)
    if (this.ink !== PLAIN || line.includes('\x1b')) {
      const { ink } = coloured(line, this.ink)
      this.ink = Object.entries(PLAIN).every(([name, value]) => ink[/** @type {keyof Ink} */ (name)] === value) ? PLAIN : ink
      this.inks.set(index + 1, this.ink)
    }
    if (looksWrong(bare(line))) this.wrong.push(index)
    this.lines.push(line)
    this.complete += 1
  }

  /** When a line began to come (ms), or 0. @param {number} index */
  timeOf(index) {
    return this.times.at(this.starts[index])
  }

  /** @param {number} index @returns {Run[]} */
  runs(index) {
    return coloured(this.lines[index], this.inks.get(index)).runs
  }
}

/**
 * Where `words` stand in a line, whatever the case.
 * @param {string} line
 * @param {string} words in lower case
 * @returns {number[]}
 */
export function found(line, words) {
  const low = line.toLowerCase()
  const places = []
  for (let at = low.indexOf(words); at >= 0; at = low.indexOf(words, at + words.length)) places.push(at)
  return places
}

/**
 * The lines that an address points at: `#L12` or `#L12-L20`.
 * @param {string} hash
 * @returns {{from: number, to: number} | null} counted from 1
 */
export function markedIn(hash) {
  const match = /^#L(\d+)(?:-L?(\d+))?$/.exec(hash)
  if (!match) return null
  const [from, to] = [Number(match[1]), Number(match[2] ?? match[1])].sort((a, b) => a - b)
  return { from, to }
}
