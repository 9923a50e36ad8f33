/** The bytes of a log: by range from the studio, then live; what is missing is fetched, what is known is left out. */

const PIECE = 1024 * 1024
const RETRY_MS = [500, 1000, 2000, 5000, 10_000]

/**
 * @typedef {object} Taker
 * @property {number} end                                                        next offset wanted
 * @property {(offset: number, bytes: Uint8Array, at: number) => boolean} take
 */

export class LogSource {
  /**
   * @param {string} url answers `?from=N&to=M` with raw bytes and `X-Log-Size`
   * @param {Taker} taker
   * @param {{changed: () => void, trouble: (text: string) => void, ended: () => void, said?: (text: string) => void}} tell
   * @param {typeof fetch} [get]
   */
  constructor(url, taker, tell, get = (...given) => fetch(...given)) {
    this.url = url
    this.taker = taker
    this.tell = tell
    this.get = get
    /** Whether nobody keeps when bytes came: then this page's own clock has to do. */
    this.unkept = false
    this.size = 0
    this.wanted = 0
    /** @type {Promise<void> | null} */
    this.pulling = null
  }

  /** @param {number} from @param {number} to */
  async range(from, to) {
    const response = await this.get(`${this.url}${this.url.includes('?') ? '&' : '?'}from=${from}&to=${to}`, { headers: { Accept: 'application/octet-stream' }, cache: 'no-store' })
    if (response.status === 416) return new Uint8Array()
    if (!response.ok) throw new Error(`The studio answered ${response.status}.`)
    this.size = Math.max(this.size, Number(response.headers.get('X-Log-Size') ?? 0))
    if (response.headers.get('X-Log-Ended') === 'true') this.tell.ended()
    // What its source says instead of lines, where it is a source that speaks.
    const said = response.headers.get('X-Log-Said')
    if (said !== null) this.tell.said?.(said)
    return new Uint8Array(await response.arrayBuffer())
  }

  /** Fetch whatever is not here yet, up to the end as far as it is known; one at a time. */
  pull(wanted = 0) {
    this.wanted = Math.max(this.wanted, wanted)
    this.pulling ??= this.#pull().finally(() => (this.pulling = null))
    return this.pulling
  }

  async #pull() {
    let failures = 0
    for (;;) {
      try {
        const from = this.taker.end
        const bytes = await this.range(from, from + PIECE)
        if (failures) this.tell.trouble('')
        failures = 0
        if (bytes.length) {
          this.taker.take(from, bytes, 0)
          this.tell.changed()
        }
        if (!bytes.length || this.taker.end >= Math.max(this.size, this.wanted)) return
      } catch (error) {
        this.tell.trouble(`The log could not be read: ${error instanceof Error ? error.message : error} Trying again.`)
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS[Math.min(failures, RETRY_MS.length - 1)]))
        failures += 1
      }
    }
  }

  /**
   * Take a live piece: its bytes when they fit on what is here, else everything up to its end by range.
   * @param {{offset: number, length: number, data?: string, at?: number}} payload
   */
  live(payload) {
    const upTo = payload.offset + payload.length
    if (upTo <= this.taker.end) return
    this.size = Math.max(this.size, upTo)
    // While ranges are being fetched, they bring these bytes, too.
    if (this.pulling || payload.data === undefined || payload.offset > this.taker.end) {
      this.pull(upTo)
      return
    }
    this.taker.take(payload.offset, bytesOf(payload.data), payload.at ?? (this.unkept ? Date.now() : 0))
    this.tell.changed()
  }
}

/** @param {string} base64 */
export function bytesOf(base64) {
  const text = atob(base64)
  const bytes = new Uint8Array(text.length)
  for (let index = 0; index < text.length; index += 1) bytes[index] = text.charCodeAt(index)
  return bytes
}
