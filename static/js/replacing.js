/**
 * Events for an element that htmx is about to replace. A request may have read the state before the event, and the element
 * that takes the old one's place listens only some milliseconds after the swap: what comes in between is kept and told then.
 */

// htmx gives a new element its listeners 20 ms after the swap.
const SETTLED_MS = 80

export class Replacing {
  /**
   * @param {(element: any, detail: any) => void} tell
   * @param {{find: (id: string) => any, later: (run: () => void, ms: number) => unknown}} page
   */
  constructor(tell, page) {
    this.tell = tell
    this.page = page
    /** @type {Map<any, any>} requests that are under way, and the element of each */
    this.requests = new Map()
    /** @type {Map<any, Map<string, any>>} what came meanwhile, by element */
    this.missed = new Map()
  }

  /** @param {any} request @param {any} element */
  began(request, element) {
    this.requests.set(request, element)
  }

  /** @param {any} request */
  ended(request) {
    if (!this.requests.has(request)) return
    this.page.later(() => {
      const element = this.requests.get(request)
      this.requests.delete(request)
      const kept = this.missed.get(nameOf(element))
      if (!kept || this.busy(element)) return
      this.missed.delete(nameOf(element))
      const now = this.now(element)
      if (now) for (const detail of kept.values()) this.tell(now, detail)
    }, SETTLED_MS)
  }

  /**
   * Take an event for an element: true when it was kept for after the replacement.
   * @param {any} element @param {{event: string}} detail
   */
  keeps(element, detail) {
    if (!this.busy(element)) return false
    const kept = this.missed.get(nameOf(element)) ?? new Map()
    kept.set(detail.event, detail)
    this.missed.set(nameOf(element), kept)
    return true
  }

  /** Return the element that stands in an element's place now. @param {any} element */
  now(element) {
    if (element.isConnected) return element
    return element.id ? this.page.find(element.id) : null
  }

  /** @param {any} element */
  busy(element) {
    const name = nameOf(element)
    return [...this.requests.values()].some((one) => nameOf(one) === name)
  }
}

/** @param {any} element */
function nameOf(element) {
  return element.id || element
}
