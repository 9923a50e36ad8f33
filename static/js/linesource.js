/** Lines of a log that only a node keeps: asked for by the time of the last one, again and again. */

const RETRY_MS = [1000, 2000, 5000, 10_000]

export class LineSource {
  /**
   * @param {string} url answers `?after=<time>` with what came later, where to go on in `X-Log-After`
   * @param {{end: number, take: (offset: number, bytes: Uint8Array, at: number) => boolean}} taker
   * @param {{changed: () => void, trouble: (text: string) => void, ended: () => void, said: (text: string) => void, cut: () => void}} tell
   * @param {typeof fetch} [get]
   */
  constructor(url, taker, tell, get = (...given) => fetch(...given)) {
    this.url = url
    this.taker = taker
    this.tell = tell
    this.get = get
    this.after = ''
    this.begun = false
    /** @type {Promise<void> | null} */
    this.pulling = null
  }

  /** Fetch what came since the last time; one at a time. */
  pull() {
    this.pulling ??= this.#pull().finally(() => (this.pulling = null))
    return this.pulling
  }

  async #pull() {
    for (let failures = 0; ; failures += 1) {
      try {
        const url = `${this.url}${this.url.includes('?') ? '&' : '?'}after=${encodeURIComponent(this.after)}`
        const response = await this.get(url, { headers: { Accept: 'application/octet-stream' }, cache: 'no-store' })
        if (!response.ok) throw new Error(response.status === 503 ? await response.text() : `The studio answered ${response.status}.`)
        const bytes = new Uint8Array(await response.arrayBuffer())
        if (failures) this.tell.trouble('')
        this.after = response.headers.get('X-Log-After') || this.after
        if (response.headers.get('X-Log-Ended') === 'true') this.tell.ended()
        if (response.headers.get('X-Log-Cut') === 'true') this.tell.cut()
        this.tell.said(response.headers.get('X-Log-Said') ?? '')
        if (bytes.length) {
          // What is there at the beginning was not seen to come: it has no time of its own on this page.
          this.taker.take(this.taker.end, bytes, this.begun ? Date.now() : 0)
          this.tell.changed()
        }
        this.begun = true
        return
      } catch (error) {
        this.tell.trouble(`${error instanceof Error ? error.message : error} Trying again.`)
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS[Math.min(failures, RETRY_MS.length - 1)]))
      }
    }
  }
}
