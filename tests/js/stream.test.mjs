import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Stream } from '../../static/js/stream.js'
import { comparePositions, cursorFor, readCursor, union } from '../../static/js/topics.js'

/** A browser with a clock of its own, Web Locks, a channel and the streams that its tabs open. */
class Browser {
  now = 1_000_000
  timers = []
  holder = null
  queue = []
  members = new Set()
  sources = []
  signedOut = false

  get open() {
    return this.sources.filter((source) => !source.closed)
  }

  async tick(ms = 0) {
    const until = this.now + ms
    for (;;) {
      await new Promise((resolve) => setImmediate(resolve))
      const next = this.timers.filter((timer) => !timer.gone && timer.at <= until).sort((a, b) => a.at - b.at)[0]
      if (!next) break
      this.now = Math.max(this.now, next.at)
      next.gone = true
      next.run()
    }
    this.now = until
    await new Promise((resolve) => setImmediate(resolve))
  }

  locks() {
    return {
      request: (name, given, run = given) => {
        if (name !== 'mooring-live') return new Promise(() => run())
        return new Promise((resolve, reject) => {
          const entry = { run, resolve, reject }
          if (given.steal) {
            this.holder?.reject(new Error('stolen'))
            this.#hold(entry)
          } else if (this.holder) this.queue.push(entry)
          else this.#hold(entry)
        })
      },
      query: async () => ({ held: [] }),
    }
  }

  #hold(entry) {
    this.holder = entry
    Promise.resolve().then(() => entry.run()).then(() => {
      if (this.holder !== entry) return
      this.holder = null
      const next = this.queue.shift()
      if (next) this.#hold(next)
    })
  }

  tab(name, topics, since = '') {
    const told = { messages: [], states: [], ended: 0 }
    const channel = { postMessage: (data) => {
      for (const other of this.members) if (other !== channel) other.onmessage?.({ data: structuredClone(data) })
    } }
    this.members.add(channel)
    const stream = new Stream('/live/', since, {
      tab: name, channel, locks: this.locks(), now: () => this.now,
      open: (url) => {
        const source = { url: new URL(url, 'http://x'), listeners: {}, closed: false, addEventListener: (kind, run) => (source.listeners[kind] = run), close: () => (source.closed = true) }
        this.sources.push(source)
        return source
      },
      later: (run, ms) => {
        const timer = { run, at: this.now + ms, gone: false }
        this.timers.push(timer)
        return timer
      },
      cancel: (timer) => timer && (timer.gone = true),
      refused: async () => this.signedOut,
    }, { message: (message) => told.messages.push(message), status: (state) => told.states.push(state), ended: () => (told.ended += 1) })
    stream.want(Object.fromEntries(topics.map((topic) => [topic, null])))
    stream.start()
    return { stream, told, close: () => (stream.stop(), this.members.delete(channel)) }
  }

  send(topic, id, event = 'changed') {
    this.open[0].onmessage({ lastEventId: id, data: JSON.stringify({ topic, event, payload: {} }) })
  }
}

test('ten tabs share one stream and each hears its own topics', async () => {
  const browser = new Browser()
  const tabs = Array.from({ length: 10 }, (_, index) => browser.tab(`t${index}`, [`job:${index}`, 'jobs:demo'], `live=${100 + index}-0`))
  await browser.tick(500)
  assert.equal(browser.open.length, 1)
  assert.equal(browser.open[0].url.searchParams.get('topics').split(' ').length, 11)
  browser.open[0].listeners.heartbeat()
  browser.send('job:3', 'live=200-0')
  browser.send('jobs:demo', 'live=201-0')
  assert.deepEqual(tabs.map((tab) => tab.told.messages.length), [1, 1, 1, 2, 1, 1, 1, 1, 1, 1])
  assert.ok(tabs.every((tab) => tab.stream.state.live))
})

test('when the leader goes another tab carries on from the last id', async () => {
  const browser = new Browser()
  const first = browser.tab('a', ['jobs:demo'], 'live=100-0')
  const second = browser.tab('b', ['jobs:demo'], 'live=101-0')
  await browser.tick(500)
  browser.send('jobs:demo', 'live=300-0')
  first.close()
  await browser.tick(500)
  assert.equal(browser.open.length, 1)
  assert.equal(browser.open[0].url.searchParams.get('last'), 'live=300-0')
  browser.send('jobs:demo', 'live=301-0')
  assert.equal(second.told.messages.length, 2)
})

test('a tab that joins with a new topic is served from what its page shows', async () => {
  const browser = new Browser()
  browser.tab('a', ['jobs:demo'], 'live=100-0')
  await browser.tick(500)
  browser.send('jobs:demo', 'live=500-0')
  browser.tab('b', ['job:x'], 'live=400-0')
  await browser.tick(500)
  assert.equal(browser.open.length, 1)
  assert.equal(browser.open[0].url.searchParams.get('last'), 'live=400-0')
})

test('a short break is not told, a long one is, with its time', async () => {
  const browser = new Browser()
  const tab = browser.tab('a', ['jobs:demo'])
  await browser.tick(500)
  browser.open[0].listeners.heartbeat()
  const heard = browser.now
  browser.open[0].onerror()
  await browser.tick(400)
  browser.open[0].listeners.heartbeat()
  await browser.tick(3000)
  assert.deepEqual(tab.told.states.map((state) => state.live), [true])
  const last = browser.now - 3000
  browser.open[0].onerror()
  await browser.tick(4000)
  assert.equal(tab.told.states.at(-1).live, false)
  assert.ok(tab.told.states.at(-1).since >= heard && tab.told.states.at(-1).since <= last)
})

test('a connection that says nothing is opened again', async () => {
  const browser = new Browser()
  browser.tab('a', ['jobs:demo'])
  await browser.tick(500)
  browser.open[0].listeners.heartbeat()
  await browser.tick(26_000)
  assert.equal(browser.sources.length, 2)
  assert.equal(browser.open.length, 1)
})

test('a leader that is stuck loses the lead', async () => {
  const browser = new Browser()
  const stuck = browser.tab('a', ['jobs:demo'])
  const other = browser.tab('b', ['jobs:demo'])
  await browser.tick(500)
  browser.open[0].listeners.heartbeat()
  stuck.stream.world.later = () => null
  await browser.tick(60_000)
  assert.equal(other.stream.leading, true)
  assert.equal(stuck.stream.leading, false)
  assert.equal(browser.open.length, 1)
})

test('topics that nobody wants any more go after a while', async () => {
  const browser = new Browser()
  const tab = browser.tab('a', ['jobs:demo', 'job:x'])
  await browser.tick(500)
  tab.stream.want({ 'jobs:demo': null })
  await browser.tick(1000)
  assert.equal(browser.sources.length, 1)
  browser.open[0].listeners.heartbeat()
  await browser.tick(20_000)
  assert.equal(browser.open[0].url.searchParams.get('topics'), 'jobs:demo')
})

test('cursors hold a position a log and one for everything else', () => {
  assert.deepEqual([...readCursor('live=5-1;log:7=120')], [['live', '5-1'], ['log:7', '120']])
  assert.ok(comparePositions('5-1', '5-2') < 0)
  assert.equal(cursorFor('live=9-0;log:1=5', [], { 'jobs:demo': null, 'log:2': 40 }), 'live=9-0;log:2=40')
  assert.deepEqual(union([{ 'log:1': 9 }, { 'log:1': 4, a: null }]), { 'log:1': 4, a: null })
})

test('the end of the session is told in every tab, and nothing is asked any more', async () => {
  const browser = new Browser()
  const tabs = ['a', 'b'].map((name) => browser.tab(name, ['jobs:demo']))
  await browser.tick(500)
  browser.open[0].listeners.heartbeat()
  browser.open[0].listeners.ended()
  await browser.tick(60_000)
  assert.deepEqual(tabs.map((tab) => tab.told.ended), [1, 1])
  assert.equal(browser.open.length, 0)
})

test('a tab that has stopped lets nobody ask on its behalf', async () => {
  const browser = new Browser()
  browser.tab('a', ['jobs:demo'])
  await browser.tick(500)
  browser.open[0].listeners.ended()
  const { told } = browser.tab('b', [])
  await browser.tick(60_000)
  assert.equal(browser.open.length, 0)
  assert.equal(told.ended, 0)
})

test('a stream that is refused to who is signed out says so; one that fails is tried again', async () => {
  const browser = new Browser()
  const tab = browser.tab('a', ['jobs:demo'])
  await browser.tick(500)
  for (const signedOut of [false, true]) {
    browser.signedOut = signedOut
    Object.assign(browser.open[0], { readyState: 2 }).onerror()
    await browser.tick(30_000)
    assert.equal(tab.told.ended, signedOut ? 1 : 0)
    assert.equal(browser.open.length, signedOut ? 0 : 1)
  }
})
