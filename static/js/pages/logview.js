/** The log page: bytes become lines, lines are shown, searched, linked to and followed. */
import { each, icon, isTyping, make } from '../page.js'
import { LogPane } from '../logpane.js'
import { LogSearch } from '../logsearch.js'
import { LineSource } from '../linesource.js'
import { LogSource } from '../logsource.js'
import { bare, LogLines, markedIn } from '../logtext.js'
import { filesize } from '../words.js'

// More than this is not kept in a page: the last part is shown, the whole is in the download.
const MOST_BYTES = 64 * 1024 * 1024
const POLL_MS = 10_000
const MAP_STEPS = 500

/** @type {{startLogAt: (topic: string, offset: number) => void}} */
const page = /** @type {any} */ (window).mooring

/** @param {HTMLElement} root */
async function start(root) {
  const part = (/** @type {string} */ name) => /** @type {any} */ (root.querySelector(`[data-log-${name}]`))
  const url = root.dataset.url ?? ''
  const topic = root.dataset.liveTopic ?? ''
  let ended = root.dataset.ended !== undefined
  const said = part('said')
  const none = part('none')
  let ready = false
  let unseen = 0
  let mapTimer = 0

  // What a container said before its restart only its node knows: it comes once, by lines and not by offsets.
  const byLines = root.dataset.byLines !== undefined
  let cutAbove = false
  const first = new LogSource(url, { end: 0, take: () => true }, { changed() {}, trouble() {}, ended() {} })
  if (!byLines) await first.range(0, 1).catch(() => new Uint8Array())
  const skipped = Math.max(first.size - MOST_BYTES, 0)
  const log = new LogLines(skipped)
  const search = new LogSearch(log, onSearch)
  const pane = new LogPane(part('scroll'), part('space'), part('lines'), log, {
    marks: (line, text) => search.marks(line, text),
    paused: () => setFollow(false),
    bottom: () => !ended && setFollow(true),
    drawn: () => drawView(),
  })
  const tellSource = {
    changed: onLines,
    trouble: (/** @type {string} */ text) => {
      said.textContent = text
      if (!ready && text) none.textContent = text
    },
    ended: () => (ended = true),
    said: (/** @type {string} */ text) => (said.textContent = text),
    cut: () => (cutAbove = true),
  }
  const source = byLines ? new LineSource(url, log, tellSource) : new LogSource(url, log, tellSource)
  if (source instanceof LogSource) source.unkept = !root.dataset.times
  // --- lines come ---

  function onLines() {
    const before = Number(root.dataset.lines ?? 0)
    root.dataset.lines = String(log.lines.length)
    if (!pane.follow && ready) unseen += log.lines.length - before
    search.more()
    if (pane.times && log.times.lacking) pullTimes()
    pane.draw()
    tell()
  }

  function tell() {
    const lines = log.lines.length
    none.hidden = lines > 0
    if (!lines && ready) none.textContent = ended ? 'This log is empty.' : 'Nothing has been written yet. Lines show here as they come.'
    const left = skipped ? ` · the first ${filesize(skipped)} are left out here and numbers count from there` : ''
    const above = cutAbove ? ' · earlier lines are in the download' : ''
    part('count').textContent = `${lines.toLocaleString('en')} ${lines === 1 ? 'line' : 'lines'} · ${filesize(log.end)}${left}${above}`
    const wrong = log.wrong.length
    part('errors').hidden = !wrong
    part('errors').textContent = `${wrong.toLocaleString('en')} ${wrong === 1 ? 'line looks' : 'lines look'} like an error`
    const more = part('more')
    more.hidden = pane.follow || !unseen || ended
    more.replaceChildren(icon('arrow-down', 'icon-sm'), `${unseen.toLocaleString('en')} new ${unseen === 1 ? 'line' : 'lines'}`)
    mapTimer ||= window.setTimeout(drawMap, 250)
  }

  /** @param {boolean} follow */
  function setFollow(follow) {
    if (pane.follow === follow) return
    pane.follow = follow
    part('follow')?.setAttribute('aria-pressed', String(follow))
    if (follow) {
      unseen = 0
      pane.toEnd()
    }
    tell()
  }

  // --- tools ---

  part('follow')?.addEventListener('click', () => setFollow(!pane.follow))
  part('more').addEventListener('click', () => setFollow(true))
  part('wrap').addEventListener('click', () => toggleWrap(!pane.wrap))
  part('times')?.addEventListener('click', () => {
    pane.times = !pane.times
    part('times').setAttribute('aria-pressed', String(pane.times))
    pane.setWrap(pane.wrap)
    if (pane.times) pullTimes()
  })

  let asking = false
  async function pullTimes() {
    const from = root.dataset.times
    if (!from || asking) return
    asking = true
    log.times.lacking = false
    try {
      const response = await fetch(`${from}?from=${Math.max(log.times.known, log.start)}`, { headers: { Accept: 'application/octet-stream' }, cache: 'no-store' })
      if (!response.ok) throw new Error(`The studio answered ${response.status}.`)
      log.times.fill(await response.arrayBuffer())
      said.textContent = log.times.offsets.length || !log.end ? '' : 'No times were kept of this log.'
      pane.redraw()
    } catch (error) {
      log.times.lacking = true
      said.textContent = `The times could not be read: ${error instanceof Error ? error.message : error}`
    } finally {
      asking = false
    }
  }

  /** @param {boolean} wrap */
  function toggleWrap(wrap) {
    pane.setWrap(wrap)
    part('wrap').setAttribute('aria-pressed', String(wrap))
    keep('wrap', wrap ? '1' : '')
  }

  const input = part('search')
  let typing = 0
  // Words were typed, and no place of theirs was gone to yet: in a long log they are found a little later.
  let seeking = false
  input.addEventListener('input', () => {
    clearTimeout(typing)
    typing = window.setTimeout(() => {
      seeking = true
      search.begin(input.value)
      pane.redraw()
    }, 120)
  })
  input.addEventListener('keydown', (/** @type {KeyboardEvent} */ event) => {
    if (event.key === 'Enter') {
      event.preventDefault()
      step(event.shiftKey ? -1 : 1)
    } else if (event.key === 'Escape' && input.value) {
      event.preventDefault()
      input.value = ''
      search.begin('')
      pane.redraw()
    }
  })
  part('next').addEventListener('click', () => step(1))
  part('previous').addEventListener('click', () => step(-1))

  /** @param {number} direction */
  function step(direction) {
    const place = search.step(direction, pane.lineAt(pane.top))
    if (!place) return
    goTo(place.line)
    onSearch()
    pane.redraw()
  }

  function onSearch() {
    if (seeking && search.places.length) {
      seeking = false
      step(1)
      return
    }
    const count = search.places.length
    const number = (/** @type {number} */ value) => value.toLocaleString('en')
    part('found').textContent = !search.words ? '' : !count ? (search.busy ? '' : 'none') : `${search.now < 0 ? '' : `${number(search.now + 1)} of `}${number(count)}${search.full ? '+' : ''}`
    mapTimer ||= window.setTimeout(drawMap, 250)
  }

  /** @param {number} line */
  function goTo(line) {
    setFollow(false)
    pane.toLine(line)
  }

  let wrongAt = -1
  part('errors').addEventListener('click', () => {
    wrongAt = (wrongAt + 1) % log.wrong.length
    goTo(log.wrong[wrongAt])
    mark(log.wrong[wrongAt] + 1, log.wrong[wrongAt] + 1)
  })

  document.addEventListener('keydown', (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key === 'f' && !event.shiftKey) {
      event.preventDefault()
      input.focus()
      input.select()
    } else if (event.key === 'End' && !isTyping(event.target) && !event.ctrlKey && root.contains(/** @type {Node} */ (event.target))) {
      event.preventDefault()
      if (ended) pane.toEnd()
      else setFollow(true)
    }
  })

  // --- links to lines ---

  /** @param {number} from @param {number} to */
  function mark(from, to) {
    pane.marked = { from: from - 1, to: to - 1 }
    pane.redraw()
  }

  function followHash() {
    const lines = markedIn(location.hash)
    if (!lines) return false
    mark(lines.from, lines.to)
    goTo(Math.min(lines.from, log.lines.length) - 1)
    return true
  }

  part('lines').addEventListener('click', (/** @type {MouseEvent} */ event) => {
    const link = /** @type {Element} */ (event.target).closest('a[data-n]')
    if (!(link instanceof HTMLElement) || event.ctrlKey || event.metaKey) return
    event.preventDefault()
    const line = Number(link.dataset.n)
    const start = event.shiftKey && pane.marked.from >= 0 ? pane.marked.from + 1 : line
    const [from, to] = [Math.min(start, line), Math.max(start, line)]
    history.replaceState(history.state, '', from === to ? `#L${from}` : `#L${from}-L${to}`)
    mark(from, to)
  })
  addEventListener('hashchange', followHash)

  // --- copying ---

  let everything = false
  part('scroll').addEventListener('keydown', (/** @type {KeyboardEvent} */ event) => {
    if (!(event.ctrlKey || event.metaKey) || event.key !== 'a') return
    event.preventDefault()
    everything = true
    getSelection()?.selectAllChildren(part('lines'))
    said.textContent = 'The whole log is chosen.'
  })
  document.addEventListener('pointerdown', () => {
    if (everything) said.textContent = ''
    everything = false
  })
  document.addEventListener('copy', (event) => {
    const selection = getSelection()
    if (!selection?.rangeCount || !selection.anchorNode || !part('lines').contains(selection.anchorNode)) return
    const text = everything ? log.lines.map(bare).join('\n') : chosenText(selection.getRangeAt(0), part('lines'))
    if (!text) return
    event.preventDefault()
    event.clipboardData?.setData('text/plain', text)
  })

  // --- the map at the right ---

  const map = part('map').querySelector('svg')
  function drawMap() {
    mapTimer = 0
    const count = Math.max(log.lines.length, 1)
    const cells = (/** @type {number[]} */ lines) => new Set(lines.map((line) => Math.floor((line / count) * MAP_STEPS)))
    const rect = (/** @type {number} */ cell, /** @type {string} */ name) => {
      const shape = document.createElementNS('http://www.w3.org/2000/svg', 'rect')
      shape.setAttribute('class', name)
      shape.setAttribute('x', '2')
      shape.setAttribute('width', '6')
      shape.setAttribute('y', String((cell * 1000) / MAP_STEPS))
      shape.setAttribute('height', '3')
      return shape
    }
    const view = document.createElementNS('http://www.w3.org/2000/svg', 'rect')
    view.setAttribute('class', 'view')
    view.setAttribute('width', '10')
    map.replaceChildren(view, ...[...cells(log.wrong)].map((cell) => rect(cell, 'error')), ...[...cells(search.places.map(({ line }) => line))].map((cell) => rect(cell, 'found')))
    drawView()
  }

  function drawView() {
    const view = map.querySelector('.view')
    if (!view) return
    const total = Math.max(pane.total, 1)
    view.setAttribute('y', String((pane.shownTop / total) * 1000))
    view.setAttribute('height', String(Math.min((pane.room / total) * 1000, 1000)))
  }

  part('map').addEventListener('pointerdown', (/** @type {PointerEvent} */ event) => {
    const jump = (/** @type {PointerEvent} */ at) => {
      const box = part('map').getBoundingClientRect()
      const share = Math.min(Math.max((at.clientY - box.top) / box.height, 0), 1)
      goTo(Math.min(Math.floor(share * log.lines.length), log.lines.length - 1))
    }
    event.preventDefault()
    jump(event)
    part('map').setPointerCapture(event.pointerId)
    part('map').onpointermove = jump
    part('map').onpointerup = () => (part('map').onpointermove = null)
  })

  // --- begin ---

  if (kept('wrap')) toggleWrap(true)
  const linked = markedIn(location.hash)
  pane.follow = !linked
  await source.pull(first.size)
  ready = true
  part('follow')?.setAttribute('aria-pressed', String(pane.follow))
  if (linked) followHash()
  else pane.toEnd()
  if (ended) pane.follow = false
  tell()
  if (ended || !topic || source instanceof LineSource) return
  root.addEventListener('live:bytes', (event) => source.live(/** @type {any} */ (event).detail.payload))
  root.addEventListener('live:resync', () => source.pull())
  page.startLogAt(topic, log.end)
  // Whatever the stream may miss is here a little later.
  const poll = setInterval(() => (ended ? clearInterval(poll) : source.pull()), POLL_MS)
}

/**
 * The chosen part of the lines: their text only, a line each.
 * @param {Range} range
 * @param {HTMLElement} lines
 */
function chosenText(range, lines) {
  const texts = []
  for (const row of lines.children) {
    const text = row.lastElementChild
    if (!text || !range.intersectsNode(text)) continue
    const piece = document.createRange()
    piece.selectNodeContents(text)
    if (text.contains(range.startContainer)) piece.setStart(range.startContainer, range.startOffset)
    if (text.contains(range.endContainer)) piece.setEnd(range.endContainer, range.endOffset)
    texts.push(piece.toString().replaceAll('\u200b', ''))
  }
  return texts.join('\n')
}

/** @param {string} name */
function kept(name) {
  try {
    return localStorage.getItem(`mooring-log-${name}`)
  } catch {
    return null
  }
}

/** @param {string} name @param {string} value */
function keep(name, value) {
  try {
    localStorage.setItem(`mooring-log-${name}`, value)
  } catch {
    // A browser that keeps nothing still shows the log.
  }
}

/**
 * The last lines of a log in a card.
 * @param {HTMLElement} box
 */
async function tail(box) {
  const { url = '', liveTopic = '', lines: wanted = '20' } = box.dataset
  const probe = new LogSource(url, { end: 0, take: () => true }, { changed() {}, trouble() {}, ended() {} })
  await probe.range(0, 1).catch(() => new Uint8Array())
  const from = Math.max(probe.size - 32 * 1024, 0)
  const log = new LogLines(from)
  const draw = () => {
    const shown = Math.min(Number(wanted), log.lines.length)
    const atEnd = box.scrollTop + box.clientHeight >= box.scrollHeight - 8
    // A cut first line is left out.
    const begin = Math.max(log.lines.length - shown, from ? 1 : 0)
    box.replaceChildren(...Array.from({ length: Math.max(log.lines.length - begin, 0) }, (_, index) => {
      const row = make('div')
      for (const run of log.runs(begin + index)) row.append(run.classes ? make('span', { class: run.classes }, run.text) : run.text)
      if (!row.firstChild) row.append('\u200b')
      return row
    }))
    if (!log.lines.length) box.textContent = box.dataset.none ?? 'Nothing has been written yet.'
    if (atEnd) box.scrollTop = box.scrollHeight
  }
  let drawing = 0
  const soon = () => (drawing ||= requestAnimationFrame(() => {
    drawing = 0
    draw()
  }))
  const source = new LogSource(url, log, { changed: soon, trouble() {}, ended() {} })
  await source.pull(probe.size)
  draw()
  if (!liveTopic) return
  box.addEventListener('live:bytes', (event) => source.live(/** @type {any} */ (event).detail.payload))
  box.addEventListener('live:resync', () => source.pull())
  page.startLogAt(liveTopic, log.end)
}

each('[data-log]', start)
each('[data-log-tail]', tail)
