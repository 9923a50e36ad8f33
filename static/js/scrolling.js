/** What scrolls sideways can be scrolled by keys: a wide table or text takes the focus while it does not fit. */
import { each } from './page.js'

export function startScrolling() {
  const watch = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      if (target.scrollWidth > target.clientWidth + 1) target.setAttribute('tabindex', '0')
      else target.removeAttribute('tabindex')
    }
  })
  each('.table-wrap, pre', (element) => watch.observe(element))
}
