/**
 * Bring live events to the page: collect its topics, dispatch `live:<event>` on the elements that watch them, and say in
 * the header whether the page is live.
 */
import { Replacing } from './replacing.js'
import { Stream } from './stream.js'
import { isLog, topicsIn } from './topics.js'

const GATHER_MS = 500
// A page that has not been live for this long says so across its top, too.
const STALE_MS = 15_000

/** @type {Stream | null} */
let stream = null
// A page that watches nothing has nothing to say about being live.
let watches = false
/** @type {Map<string, number>} */
const offsets = new Map()
/** @type {WeakMap<Element, Map<string, {timer: any, last: number, detail: any}>>} */
const gathered = new WeakMap()

const replacing = new Replacing(fire, { find: (id) => document.getElementById(id), later: (run, ms) => setTimeout(run, ms) })

let start = () => {}

/** Start watching what the page names; called once. */
export function startLive() {
  const { liveUrl, liveCursor = '' } = document.body.dataset
  // Nobody is told anything on the page where one signs in.
  if (!liveUrl || !document.body.dataset.person || !('EventSource' in window)) return
  start = () => {
    const tab = Math.random().toString(36).slice(2)
    stream = new Stream(liveUrl, liveCursor, {
      tab,
      open: (url) => new EventSource(url),
      channel: 'BroadcastChannel' in window && navigator.locks ? new BroadcastChannel('mooring-live') : undefined,
      locks: navigator.locks,
      now: () => Date.now(),
      later: (run, ms) => setTimeout(run, ms),
      cancel: (timer) => clearTimeout(timer),
      refused,
    }, { message: dispatch, status: show, ended })
    refreshTopics()
    stream.start()
  }
  start()
  document.addEventListener('htmx:load', refreshTopics)
  document.addEventListener('htmx:beforeRequest', (event) => {
    const { elt, xhr } = /** @type {any} */ (event).detail
    if (elt.dataset?.liveTopic !== undefined) replacing.began(xhr, elt)
  })
  document.addEventListener('htmx:afterRequest', (event) => replacing.ended(/** @type {any} */ (event).detail.xhr))
  addEventListener('pagehide', () => stream?.stop())
  addEventListener('pageshow', (event) => {
    if (!event.persisted) return
    start()
    // Whatever happened while the page lay in the browser's back-forward cache is unknown to it.
    for (const element of watching()) fire(element, { topic: '', event: 'resync', payload: {} })
  })
  setInterval(() => stream && !stream.state.live && show(stream.state), 5000)
}

/**
 * Where a log's live bytes should start: what the page already has.
 * @param {string} topic
 * @param {number} offset
 */
export function startLogAt(topic, offset) {
  offsets.set(topic, offset)
  refreshTopics()
}

function watching() {
  const found = [...document.querySelectorAll('[data-live-topic]')]
  return document.body.dataset.liveTopics ? [document.body, ...found] : found
}

/** @param {Element} element */
function topicsOf(element) {
  const { liveTopic, liveTopics } = /** @type {HTMLElement} */ (element).dataset
  return topicsIn(element === document.body ? liveTopics : liveTopic)
}

function refreshTopics() {
  /** @type {Record<string, number | null>} */
  const topics = {}
  for (const element of watching()) {
    // A log waits until its viewer knows where it stands: else the whole of it would come through the stream.
    for (const name of topicsOf(element)) if (!isLog(name)) topics[name] = null
  }
  const logs = new Set(watching().flatMap(topicsOf))
  for (const [name, offset] of offsets) if (logs.has(name)) topics[name] = offset
  // What the bell hears of says nothing about what the page shows.
  watches = Object.keys(topics).some((name) => !name.startsWith('notices:') || document.body.dataset.liveTopics)
  stream?.want(topics)
  const dot = document.querySelector('[data-live-dot]')
  if (dot instanceof HTMLElement && !watches) dot.hidden = true
  else if (stream) show(stream.state)
}

/** @param {{topic: string, event: string, payload: any}} message */
function dispatch(message) {
  document.dispatchEvent(new CustomEvent('live:message', { detail: message }))
  for (const element of watching()) {
    if (!topicsOf(element).includes(message.topic)) continue
    if (/** @type {HTMLElement} */ (element).dataset.liveEach !== undefined) fire(element, message)
    else gather(element, message)
  }
}

/**
 * Dispatch at once, then at most twice a second, and the last one always.
 * @param {Element} element
 * @param {any} detail
 */
function gather(element, detail) {
  const events = gathered.get(element) ?? new Map()
  gathered.set(element, events)
  const at = events.get(detail.event)
  const now = Date.now()
  if (at?.timer) {
    at.detail = detail
    return
  }
  const wait = at ? at.last + GATHER_MS - now : 0
  const entry = { timer: null, last: now, detail }
  events.set(detail.event, entry)
  if (wait <= 0) {
    fire(element, detail)
    return
  }
  entry.timer = setTimeout(() => {
    entry.timer = null
    entry.last = Date.now()
    const target = replacing.now(element)
    if (target) fire(target, entry.detail)
  }, wait)
}

/**
 * @param {Element} element
 * @param {any} detail
 */
function fire(element, detail) {
  if (replacing.keeps(element, detail)) return
  if (detail.event !== 'resync') document.body.dataset.liveSeen = String(Date.now())
  element.dispatchEvent(new CustomEvent(`live:${detail.event}`, { detail, bubbles: false }))
  element.dispatchEvent(new CustomEvent('live:any', { detail, bubbles: false }))
}

/**
 * Whether the studio does not know this browser any more; no answer is no answer.
 * @param {string} url
 */
async function refused(url) {
  const asking = new AbortController()
  try {
    const { status } = await fetch(url, { signal: asking.signal })
    return status === 401
  } catch {
    return false
  } finally {
    asking.abort()
  }
}

let over = false

/** Whether the person behind the page is signed out. */
export function isSignedOut() {
  return over
}

/** Watch again: the person is signed in once more. What happened meanwhile is asked for. */
export function resume() {
  over = false
  const note = document.querySelector('[data-live-ended]')
  if (note instanceof HTMLElement) note.hidden = true
  start()
  for (const element of watching()) fire(element, { topic: '', event: 'resync', payload: {} })
}

/** The person is signed out: what stands here stays to be read, and the way in is shown. */
function ended() {
  over = true
  const note = document.querySelector('[data-live-ended]')
  if (note instanceof HTMLElement) note.hidden = false
  // Where something was typed the way in opens beside it.
  if (document.querySelector('form[data-guard]')) note?.querySelector('a')?.setAttribute('target', '_blank')
  const stale = document.querySelector('[data-live-stale]')
  if (stale instanceof HTMLElement && stale.dataset.byLive) stale.hidden = true
  const dot = document.querySelector('[data-live-dot]')
  const word = dot?.querySelector('.live-word')
  if (!(dot instanceof HTMLElement) || !word) return
  dot.dataset.live = 'off'
  dot.title = 'This page does not update itself: you are signed out'
  word.className = 'live-word'
  word.textContent = 'Signed out'
}

/** @param {{live: boolean, since: number}} state */
function show(state) {
  if (!watches || over) return
  const dot = document.querySelector('[data-live-dot]')
  if (dot instanceof HTMLElement) {
    dot.hidden = false
    const since = new Date(state.since).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', second: '2-digit', hour12: false, timeZone: document.body.dataset.timeZone || undefined })
    // Opening takes a moment: nothing is said before it is known to be slow.
    const opening = !state.live && Date.now() - state.since < 2500
    const mode = state.live ? 'on' : opening ? 'opening' : 'off'
    const text = state.live ? 'Live' : opening ? '' : `Not live since ${since}, retrying`
    const word = dot.querySelector('.live-word')
    if (word && (dot.dataset.live !== mode || word.textContent !== text)) {
      dot.dataset.live = mode
      dot.title = state.live ? 'This page updates itself' : text
      word.className = state.live ? 'live-word live-word-on' : 'live-word'
      word.textContent = text
    }
    const note = document.querySelector('[data-live-stale]')
    const stale = !state.live && Date.now() - state.since > STALE_MS
    if (note instanceof HTMLElement && (stale || note.dataset.byLive)) {
      note.dataset.byLive = '1'
      note.hidden = !stale
      const told = note.querySelector('[data-live-stale-text]')
      if (told) told.textContent = `What you see is from ${since}: the studio does not answer. The page goes on trying and catches up by itself.`
    }
  }
}
