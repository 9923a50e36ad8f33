/** What scrolls: a table or text that is too wide or too tall takes the focus while it does not fit, and the tab that is open is in sight. */
import { each } from './page.js'

export function startScrolling() {
  const watch = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      const beyond = target.scrollWidth > target.clientWidth + 1 || target.scrollHeight > target.clientHeight + 1
      if (beyond) target.setAttribute('tabindex', '0')
      else target.removeAttribute('tabindex')
    }
  })
  each('.table-wrap, pre', (element) => watch.observe(element))
  const showTab = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      const tab = target.querySelector('a[aria-current]')
      if (tab) target.scrollLeft += Math.max(0, tab.getBoundingClientRect().right - target.getBoundingClientRect().right + 24)
    }
  })
  each('.tabs', (element) => showTab.observe(element))
}
