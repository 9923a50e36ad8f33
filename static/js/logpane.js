/**
 * The scrolling pane of the log: only the lines in sight (and some around them) are in the document, however many
 * there are. Lines are 20 px high; wrapped ones are first taken to break at the pane's last column, then measured.
 */
import { Heights } from './heights.js'
import { bare } from './logtext.js'

const UNIT = 20
const AROUND = 16
// Browsers cannot make taller elements than about 16 to 33 million pixels: beyond, the scroll bar works to scale.
const TALLEST = 12_000_000
const LONGEST = 5000

/** @typedef {import('./logtext.js').LogLines} LogLines */

export class LogPane {
  /**
   * @param {HTMLElement} scroll
   * @param {HTMLElement} space
   * @param {HTMLElement} box
   * @param {LogLines} log
   * @param {{marks: (line: number, text: string) => {from: number, to: number, now: boolean}[], paused: () => void, bottom: () => void, drawn: () => void}} ask
   */
  constructor(scroll, space, box, log, ask) {
    Object.assign(this, { scroll, space, box, log, ask })
    this.scroll = scroll
    this.space = space
    this.box = box
    this.log = log
    this.ask = ask
    this.wrap = false
    this.times = false
    const timeZone = document.body.dataset.timeZone || undefined
    this.clock = new Intl.DateTimeFormat('en-GB', { timeStyle: 'medium', timeZone })
    this.moment = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium', timeZone })
    this.follow = false
    this.marked = { from: -1, to: -1 }
    /** @type {Map<number, HTMLElement>} */
    this.rows = new Map()
    this.heights = new Heights(UNIT)
    this.columns = 80
    this.frame = 0
    this.lastTop = 0
    // What the browser would have to lay the page out for when it is asked in the middle of drawing.
    this.room = scroll.clientHeight
    this.shownTop = 0
    /** @type {HTMLElement[]} rows that are used again: to make elements costs more than to fill them */
    this.spare = []
    scroll.addEventListener('scroll', () => this.#scrolled(), { passive: true })
    new ResizeObserver(() => this.#resized()).observe(scroll)
  }

  get count() {
    return this.log.lines.length
  }

  get total() {
    return this.wrap ? this.heights.total : this.count * UNIT
  }

  /** How much of the log's height one pixel of the scroll bar stands for. */
  get scale() {
    return this.total <= TALLEST ? 1 : (this.total - this.room) / (TALLEST - this.room)
  }

  get top() {
    return this.scroll.scrollTop * this.scale
  }

  /** @param {number} line */
  topOf(line) {
    return this.wrap ? this.heights.top(line) : line * UNIT
  }

  /** @param {number} position */
  lineAt(position) {
    return this.wrap ? this.heights.at(position) : Math.min(Math.floor(position / UNIT), Math.max(this.count - 1, 0))
  }

  /** Draw again soon; several calls a frame are one. */
  draw() {
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0
      this.#draw()
    })
  }

  /** Draw every line anew: what it looks like has changed. */
  redraw() {
    for (const row of this.rows.values()) row.remove()
    this.rows.clear()
    this.spare = []
    this.draw()
  }

  /** @param {boolean} wrap */
  setWrap(wrap) {
    const first = this.lineAt(this.top)
    this.wrap = wrap
    this.scroll.classList.toggle('log-wrap', wrap)
    this.#measure()
    this.#estimate()
    this.redraw()
    this.toLine(first, 'start')
  }

  /**
   * @param {number} line counted from 0
   * @param {'start' | 'center'} [place]
   */
  toLine(line, place = 'center') {
    this.#size()
    const top = this.topOf(line) - (place === 'center' ? Math.max(this.room / 2 - UNIT * 2, 0) : 0)
    this.#put(Math.max(top, 0) / this.scale)
    this.draw()
  }

  toEnd() {
    this.#size()
    this.#put(this.scroll.scrollHeight)
    this.draw()
  }

  /** @param {number} top */
  #put(top) {
    this.scroll.scrollTop = top
    this.lastTop = this.scroll.scrollTop
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.scroll
    const atEnd = scrollTop + clientHeight >= scrollHeight - 4
    if (scrollTop < this.lastTop - 2 && !atEnd) this.ask.paused()
    else if (atEnd && scrollTop > this.lastTop + 2) this.ask.bottom()
    this.lastTop = scrollTop
    // Numbers that stick cost a layer each: only while there is something to stick to.
    this.scroll.classList.toggle('log-aside', this.scroll.scrollLeft > 0)
    this.draw()
  }

  #resized() {
    const columns = this.columns
    this.room = this.scroll.clientHeight
    this.#measure()
    if (this.wrap && columns !== this.columns) {
      const first = this.lineAt(this.top)
      this.#estimate()
      this.redraw()
      if (!this.follow) this.toLine(first, 'start')
    }
    if (this.follow) this.toEnd()
    else this.draw()
  }

  /** How many characters fit into a line. */
  #measure() {
    const probe = document.createElement('span')
    probe.className = 'log-line'
    probe.textContent = '0'.repeat(100)
    this.box.append(probe)
    const range = document.createRange()
    range.selectNodeContents(probe)
    const width = range.getBoundingClientRect().width / 100 || 7.5
    probe.remove()
    this.gutter = Math.max(56, String(this.count).length * width + 20)
    this.columns = Math.max(Math.floor((this.scroll.clientWidth - this.gutter - 16 - (this.times ? width * 8 + 12 : 0)) / width), 20)
  }

  #estimate() {
    this.heights = new Heights(UNIT)
    this.#grow()
  }

  #grow() {
    if (!this.wrap) return
    // The line that is still being written may have grown since it was estimated.
    this.heights.cut(Math.min(this.log.complete, Math.max(this.heights.count - 1, 0)))
    while (this.heights.count < this.count) this.heights.push(this.#guess(this.heights.count))
  }

  /** @param {number} line */
  #guess(line) {
    const length = Math.min(bare(this.log.lines[line]).length, LONGEST)
    return Math.max(Math.ceil(length / this.columns), 1) * UNIT
  }

  #size() {
    this.#grow()
    const height = `${Math.min(this.total, TALLEST)}px`
    if (this.space.style.height !== height) this.space.style.height = height
  }

  #draw() {
    this.#size()
    if (this.follow) this.#put(this.scroll.scrollHeight)
    // Read before anything is written.
    const scrolled = this.scroll.scrollTop
    const top = scrolled * this.scale
    const first = Math.max(this.lineAt(top) - AROUND, 0)
    const last = Math.min(this.lineAt(top + this.room) + AROUND, this.count - 1)
    for (const [line, row] of this.rows) {
      if (line >= first && line <= last && (line < this.log.complete || row.dataset.raw === this.log.lines[line])) continue
      row.remove()
      this.rows.delete(line)
      this.spare.push(row)
    }
    /** @type {HTMLElement | null} */
    let after = null
    for (let line = first; line <= last; line += 1) {
      let row = this.rows.get(line)
      if (!row) {
        row = this.#row(line)
        this.rows.set(line, row)
        if (after) after.after(row)
        else this.box.prepend(row)
      }
      after = row
    }
    const shift = this.#settle(first, last, top)
    // To scale, lines hang at the scroll position instead of at their own.
    const offset = this.scale === 1 ? this.topOf(first) : scrolled - (top + shift - this.topOf(first))
    this.box.style.transform = `translateY(${offset}px)`
    this.shownTop = top
    this.ask.drawn()
  }

  /**
   * Take the true heights of wrapped lines; what is above the eye must not push what is read.
   * @param {number} first @param {number} last @param {number} top
   */
  #settle(first, last, top) {
    if (!this.wrap) return 0
    const seen = this.lineAt(top)
    const measured = []
    for (let line = first; line <= last; line += 1) measured.push(this.rows.get(line)?.getBoundingClientRect().height ?? UNIT)
    let shift = 0
    for (const [index, height] of measured.entries()) {
      const change = this.heights.set(first + index, height)
      if (first + index < seen) shift += change ?? 0
    }
    this.#size()
    if (this.follow) this.#put(this.scroll.scrollHeight)
    else if (shift && this.scale === 1) this.#put(top + shift)
    return this.scale === 1 ? 0 : shift
  }

  /** @param {number} line */
  #row(line) {
    const row = this.spare.pop() ?? this.#bareRow()
    const number = /** @type {HTMLAnchorElement} */ (row.firstElementChild)
    const text = /** @type {HTMLElement} */ (row.lastElementChild)
    const raw = this.log.lines[line]
    number.href = `#L${line + 1}`
    number.dataset.n = String(line + 1)
    number.setAttribute('aria-label', `Line ${line + 1}`)
    if (this.times) {
      const at = this.log.timeOf(line)
      const time = /** @type {HTMLElement} */ (row.children[1])
      time.dataset.t = at ? this.clock.format(at) : '        '
      time.title = at ? this.moment.format(at) : ''
    }
    const wrong = looksAt(this.log.wrong, line)
    const marked = line >= this.marked.from && line <= this.marked.to
    row.className = `log-line${wrong ? ' wrong' : ''}${marked ? ' marked' : ''}`
    row.dataset.line = String(line)
    if (line >= this.log.complete) row.dataset.raw = raw
    else delete row.dataset.raw
    text.replaceChildren()
    this.#fill(text, line)
    return row
  }

  #bareRow() {
    const row = document.createElement('div')
    const number = document.createElement('a')
    number.tabIndex = -1
    row.append(number)
    if (this.times) row.append(document.createElement('i'))
    row.append(document.createElement('span'))
    return row
  }

  /** @param {HTMLElement} into @param {number} line */
  #fill(into, line) {
    const runs = this.log.runs(line)
    const marks = this.ask.marks(line, bare(this.log.lines[line]))
    let at = 0
    for (const run of runs) {
      if (at >= LONGEST) break
      const text = run.text.slice(0, LONGEST - at)
      put(into, text, run.classes, marks.filter((mark) => mark.from < at + text.length && mark.to > at), at)
      at += run.text.length
    }
    if (at > LONGEST) {
      const more = document.createElement('em')
      more.className = 'text-quiet'
      more.textContent = ` … ${(bare(this.log.lines[line]).length - LONGEST).toLocaleString('en')} more characters, in the download`
      into.append(more)
    }
    if (!into.firstChild) into.append('\u200b')
  }
}

/**
 * Put a run of text, cut where matches of the search begin and end.
 * @param {HTMLElement} into
 * @param {string} text
 * @param {string} classes
 * @param {{from: number, to: number, now: boolean}[]} marks
 * @param {number} at where the run begins in its line
 */
function put(into, text, classes, marks, at) {
  let from = 0
  const piece = (/** @type {number} */ to, /** @type {string} */ tag, extra = '') => {
    if (to <= from) return
    const words = text.slice(from, to)
    from = to
    if (!tag && !classes) {
      into.append(words)
      return
    }
    const element = document.createElement(tag || 'span')
    element.className = `${classes} ${extra}`.trim()
    element.textContent = words
    into.append(element)
  }
  for (const mark of marks) {
    piece(Math.max(mark.from - at, 0), '')
    piece(Math.min(mark.to - at, text.length), 'mark', mark.now ? 'now' : '')
  }
  piece(text.length, '')
}

/** Whether a sorted list holds a value. @param {number[]} list @param {number} value */
function looksAt(list, value) {
  let [low, high] = [0, list.length - 1]
  while (low <= high) {
    const middle = (low + high) >> 1
    if (list[middle] === value) return true
    if (list[middle] < value) low = middle + 1
    else high = middle - 1
  }
  return false
}
