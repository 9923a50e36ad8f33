/** Outside of lists, too, what a live answer changed lights up briefly: elements with an id, or marked data-flash. */
import { flash } from './table.js'

const MARKED = '[data-flash][id], .facts dd[id], .state[id]'

export function startFlash() {
  /** @type {Map<string, string>} */
  const said = new Map()
  document.addEventListener('htmx:beforeSwap', (event) => {
    const { target, requestConfig } = /** @type {any} */ (event).detail
    said.clear()
    if (!String(requestConfig?.triggeringEvent?.type ?? '').startsWith('live:') || target.matches?.('[data-live-list]')) return
    for (const element of target.querySelectorAll?.(MARKED) ?? []) said.set(element.id, element.textContent.trim())
  })
  document.addEventListener('htmx:afterSettle', () => {
    for (const [id, text] of said) {
      const element = document.getElementById(id)
      if (element && element.textContent?.trim() !== text) flash(element)
    }
    said.clear()
  })
}
