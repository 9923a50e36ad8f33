/**
 * What does not fit: a table or text that is too wide or too tall takes the focus and scrolls, the tab that is open is in sight, and
 * words that are cut off are whole on hover.
 */
import { each } from './page.js'

const BOXES = '.table-wrap, pre'
const CUT = '.reason, .truncate, .crumbs li, .name > a, .subline > .mono, .subline > .tag'

/** @param {Element} box */
function fit(box) {
  const beyond = box.scrollWidth > box.clientWidth + 1 || box.scrollHeight > box.clientHeight + 1
  if (beyond) box.setAttribute('tabindex', '0')
  else box.removeAttribute('tabindex')
  // Its head stays in sight while it fits; one that is too wide scrolls in its own frame instead of sticking out of it.
  if (box.matches('.table-wrap')) box.classList.toggle('beyond', box.scrollWidth > box.clientWidth + 1)
}

export function startScrolling() {
  const watch = new ResizeObserver((entries) => entries.forEach(({ target }) => fit(target)))
  each(BOXES, (element) => watch.observe(element))
  // Another font makes text wider and leaves the box as it was: no observer tells of it.
  document.fonts?.ready.then(() => document.querySelectorAll(BOXES).forEach(fit))
  const showTab = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      const tab = target.querySelector('a[aria-current]')
      if (!tab) continue
      const [one, all] = [tab.getBoundingClientRect(), target.getBoundingClientRect()]
      target.scrollLeft += Math.min(0, one.left - all.left - 24) || Math.max(0, one.right - all.right + 24)
    }
  })
  each('.tabs', (element) => showTab.observe(element))
  document.addEventListener('pointerover', ({ target }) => {
    const cut = target instanceof Element ? target.closest(CUT) : null
    if (!(cut instanceof HTMLElement) || cut.title) return
    if (cut.scrollWidth > cut.clientWidth || cut.scrollHeight > cut.clientHeight + 1) cut.title = cut.textContent?.trim() ?? ''
  }, { passive: true })
}
