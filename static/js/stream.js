/**
 * One stream of live events a browser, however many tabs.
 *
 * The tab that holds the Web Lock `mooring-live` leads: it opens the EventSource for the topics of all tabs and passes
 * each message on over a BroadcastChannel. When it goes, the browser hands the lock to another tab, which carries on
 * from the last id that everyone has heard. Without locks or channels a tab leads itself alone.
 */
import { cursorFor, union } from './topics.js'

const CHANNEL = 'mooring-live'
const LOCK = 'mooring-live'
// The server sends a heartbeat every 10 s.
const SILENCE_MS = 25_000
const JOIN_MS = 60
const SHRINK_MS = 20_000
const GRACE_MS = 2500
const RETRY_MS = [0, 500, 1000, 2000, 4000, 8000, 15_000]

/**
 * @typedef {Record<string, number | null>} Topics  topic → offset where a log starts, else null
 * @typedef {{topic: string, event: string, payload: any}} Message
 * @typedef {{live: boolean, since: number}} Status
 * @typedef {object} World  what a stream needs of its browser; tests give their own
 * @property {string} tab
 * @property {(url: string) => any} open           makes an EventSource
 * @property {(url: string) => Promise<boolean>} [refused]  whether the studio knows this browser no more
 * @property {any} [channel]                       a BroadcastChannel
 * @property {any} [locks]                         navigator.locks
 * @property {() => number} now
 * @property {(run: () => void, ms: number) => any} later
 * @property {(timer: any) => void} cancel
 */

export class Stream {
  /**
   * @param {string} url
   * @param {string} since  cursor of the page: what it already shows
   * @param {World} world
   * @param {{message: (message: Message) => void, status: (status: Status) => void, ended?: () => void}} tell
   */
  constructor(url, since, world, tell) {
    this.url = url
    this.since = since
    this.world = world
    this.tell = tell
    /** @type {Map<string, {topics: Topics, since: string}>} */
    this.tabs = new Map()
    this.cursor = ''
    this.leading = false
    this.failures = 0
    /** @type {Topics} what the open connection asked for */
    this.open = {}
    /** @type {Topics} what `cursor` speaks for, whoever led when it was reached */
    this.served = {}
    this.source = null
    /** @type {Status} */
    this.state = { live: false, since: world.now() }
    this.heard = world.now()
    this.stopped = false
  }

  /** @param {Topics} topics what this tab wants, from now on */
  want(topics) {
    const before = this.tabs.get(this.world.tab)
    if (before && JSON.stringify(before.topics) === JSON.stringify(topics)) return
    this.tabs.set(this.world.tab, { topics, since: this.since })
    this.#announce()
    if (this.leading) this.#settle()
  }

  start() {
    const { channel, locks } = this.world
    if (!channel || !locks) {
      this.#lead()
      return
    }
    channel.onmessage = (/** @type {any} */ { data }) => this.#hear(data)
    // Held for the tab's life: a tab that died without a word is known by its missing lock.
    locks.request(`mooring-tab-${this.world.tab}`, () => new Promise((resolve) => (this.leaveTab = resolve)))
    this.#queue(false)
    channel.postMessage({ type: 'hello', tab: this.world.tab })
    this.#announce()
    this.#watch()
  }

  stop() {
    this.stopped = true
    this.world.cancel(this.watching)
    this.#close()
    this.world.channel?.postMessage({ type: 'bye', tab: this.world.tab })
    this.leaveTab?.()
    this.leaveLead?.()
  }

  /** @param {boolean} steal take the lead from a tab that holds it and says nothing */
  #queue(steal) {
    this.world.locks
      .request(LOCK, steal ? { steal: true } : {}, () => {
        if (this.stopped) return undefined
        this.#lead()
        return new Promise((resolve) => (this.leaveLead = resolve))
      })
      .catch(() => {
        // The lead was taken away: follow, and queue again for when the new leader goes.
        if (this.stopped) return
        this.leading = false
        this.#close()
        this.#queue(false)
      })
  }

  #lead() {
    this.leading = true
    this.world.channel?.postMessage({ type: 'who' })
    this.#settle(JOIN_MS)
    if (this.world.channel) this.#sweep()
  }

  #announce() {
    const mine = this.tabs.get(this.world.tab)
    if (mine) this.world.channel?.postMessage({ type: 'want', tab: this.world.tab, ...mine })
  }

  /** @param {any} told */
  #hear(told) {
    // Who has stopped wants nothing any more: asked on its behalf, the studio would refuse whoever leads then.
    if (this.stopped) return
    if (told.type === 'who' || told.type === 'hello') {
      if (told.type === 'who') this.#announce()
      if (this.leading) this.#spread({ type: 'status', state: this.state, cursor: this.cursor, served: this.served })
    } else if (told.type === 'want') {
      this.tabs.set(told.tab, { topics: told.topics, since: told.since })
      if (this.leading) this.#settle()
    } else if (told.type === 'bye') {
      this.tabs.delete(told.tab)
      if (this.leading) this.#settle()
    } else if (told.type === 'ended') {
      this.#over()
    } else if (!this.leading) {
      this.heard = this.world.now()
      if (told.cursor) this.cursor = told.cursor
      if (told.served) this.served = told.served
      if (told.type === 'message') this.#deliver(told.message)
      if (told.type === 'status') this.#show(told.state)
    }
  }

  /** Open, reopen or leave the stream as the tabs' topics ask; soon, so that a burst of changes is one. */
  #settle(ms = JOIN_MS) {
    const wanted = union([...this.tabs.values()].map((tab) => tab.topics))
    const grows = Object.keys(wanted).some((name) => !(name in this.open))
    const shrinks = Object.keys(this.open).some((name) => !(name in wanted))
    if (!grows && !shrinks) return
    const due = this.world.now() + (grows ? ms : SHRINK_MS)
    if (this.settleAt && this.settleAt <= due) return
    this.world.cancel(this.settling)
    this.settleAt = due
    this.settling = this.world.later(() => {
      this.settleAt = 0
      if (this.leading && !this.stopped) this.#connect()
    }, grows ? ms : SHRINK_MS)
  }

  #connect() {
    this.#close()
    const wanted = union([...this.tabs.values()].map((tab) => tab.topics))
    const names = Object.keys(wanted).sort()
    if (!names.length) {
      this.open = {}
      return
    }
    const joining = [...this.tabs.values()].filter((tab) => Object.keys(tab.topics).some((name) => !(name in this.served)))
    const last = cursorFor(this.cursor, joining, wanted)
    this.open = wanted
    this.served = wanted
    const query = new URLSearchParams({ topics: names.join(' ') })
    if (last) query.set('last', last)
    const source = this.world.open(`${this.url}?${query}`)
    this.source = source
    this.#listen(source)
  }

  /** @param {any} source */
  #listen(source) {
    const alive = () => {
      if (source !== this.source) return false
      this.heard = this.world.now()
      this.failures = 0
      if (!this.state.live) this.#became(true)
      this.world.cancel(this.failing)
      this.failing = null
      this.#guard()
      return true
    }
    source.addEventListener('heartbeat', () => {
      if (alive()) this.#spread({ type: 'status', state: this.state, cursor: this.cursor, served: this.served })
    })
    source.onmessage = (/** @type {any} */ event) => {
      if (!alive()) return
      if (event.lastEventId) this.cursor = event.lastEventId
      const message = JSON.parse(event.data)
      this.#spread({ type: 'message', message, cursor: this.cursor })
      this.#deliver(message)
    }
    source.addEventListener('ended', () => source === this.source && this.#ended())
    source.onerror = () => {
      if (source !== this.source) return
      // Closed for good means refused: that of a session that is over is not asked for again.
      const refused = source.readyState === 2 ? this.world.refused?.(this.url) : undefined
      this.#lost()
      refused?.then((over) => over && this.#ended())
    }
    this.#guard()
  }

  /** The connection is gone, or silent for longer than two heartbeats: try again, later and later. */
  #lost() {
    this.#close()
    const wait = RETRY_MS[Math.min(this.failures, RETRY_MS.length - 1)]
    this.failures += 1
    // The server ends streams now and then on purpose; only what lasts is worth telling.
    this.failing ??= this.world.later(() => this.state.live && this.#became(false), GRACE_MS)
    this.retrying = this.world.later(() => this.leading && !this.stopped && this.#connect(), wait + Math.random() * wait * 0.3)
  }

  /** The session is over: all tabs say so, and nothing more is asked. */
  #ended() {
    if (this.stopped) return
    this.#spread({ type: 'ended' })
    this.#over()
  }

  #over() {
    this.world.cancel(this.failing)
    this.stop()
    this.tell.ended?.()
  }

  #guard() {
    this.world.cancel(this.guarding)
    this.guarding = this.world.later(() => this.#lost(), SILENCE_MS)
  }

  #close() {
    this.source?.close()
    this.source = null
    for (const timer of [this.guarding, this.retrying]) this.world.cancel(timer)
  }

  /** @param {boolean} live */
  #became(live) {
    const state = { live, since: live ? this.world.now() : this.heard }
    this.#spread({ type: 'status', state, cursor: this.cursor, served: this.served })
    this.#show(state)
  }

  /** @param {Status} state */
  #show(state) {
    const changed = state.live !== this.state.live || state.since !== this.state.since
    this.state = state
    if (changed) this.tell.status(state)
  }

  /** @param {Message} message */
  #deliver(message) {
    if (message.topic in (this.tabs.get(this.world.tab)?.topics ?? {})) this.tell.message(message)
  }

  /** @param {any} told */
  #spread(told) {
    this.world.channel?.postMessage(told)
  }

  /** A follower that hears nothing for long takes the lead: the leader's tab is frozen or stuck. */
  #watch() {
    this.watching = this.world.later(() => {
      if (this.stopped) return
      const wants = Object.keys(this.tabs.get(this.world.tab)?.topics ?? {}).length > 0
      if (!this.leading && wants && this.world.now() - this.heard > SILENCE_MS * 1.6) {
        this.heard = this.world.now()
        this.#queue(true)
      }
      this.#watch()
    }, 5000)
  }

  /** Forget tabs that died without saying so. */
  async #sweep() {
    if (!this.leading || this.stopped) return
    const { held = [] } = (await this.world.locks.query?.()) ?? {}
    const alive = new Set(held.map((/** @type {any} */ lock) => lock.name))
    if (held.length) {
      for (const tab of [...this.tabs.keys()]) if (tab !== this.world.tab && !alive.has(`mooring-tab-${tab}`)) this.tabs.delete(tab)
    }
    this.#settle()
    this.world.later(() => this.#sweep(), 15_000)
  }
}
