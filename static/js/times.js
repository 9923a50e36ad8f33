/** Relative times and running durations stay true; exact ones are in the person's own zone. */
import { ago, duration } from './words.js'

const zone = document.body?.dataset.timeZone || undefined
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium', timeZone: zone })

/** @param {ParentNode} root */
function refresh(root) {
  const now = Date.now()
  for (const time of root.querySelectorAll('time[datetime]')) {
    if (!(time instanceof HTMLTimeElement)) continue
    const at = Date.parse(time.dateTime)
    if (Number.isNaN(at)) continue
    if (time.dataset.ago !== undefined) {
      put(time, ago((now - at) / 1000))
      time.title = exact.format(at)
    } else if (time.dataset.since !== undefined) {
      put(time, duration((now - at) / 1000))
      time.title = `since ${exact.format(at)}`
    } else if (time.dataset.clock !== undefined) put(time, exact.format(at))
  }
  for (const span of /** @type {NodeListOf<SVGElement>} */ (root.querySelectorAll('title[data-from]'))) {
    const { from = '', to, words, note } = span.dataset
    put(span, `${words}: ${exact.format(Date.parse(from))} – ${to ? exact.format(Date.parse(to)) : 'now'}${note ? ` · ${note}` : ''}`)
  }
  for (const age of root.querySelectorAll('[data-live-age]')) put(age, `updated ${ago((now - updatedAt) / 1000).replace(/^now$/, 'just now')}`)
}

/**
 * @param {Element} element
 * @param {string} text
 */
function put(element, text) {
  if (element.textContent !== text) element.textContent = text
}

let updatedAt = Date.now()

export function startTimes() {
  refresh(document)
  setInterval(() => !document.hidden && refresh(document), 1000)
  document.addEventListener('visibilitychange', () => !document.hidden && refresh(document))
  document.addEventListener('htmx:afterSettle', () => refresh(document))
  // What is live is as fresh as its last event or answer.
  document.addEventListener('htmx:afterRequest', (event) => {
    if (/** @type {any} */ (event).detail.successful) updatedAt = Date.now()
  })
}
