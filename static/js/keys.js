/** Single keys as commands: / search, g then a letter, n new, j and k to move, x to choose, Enter to open, ? for the list. */
import { isTyping } from './page.js'
import { moveRow, openRow, chooseRow } from './table.js'

const GO = { h: /^\/(w\/[^/]+|ops)\/$/, j: /\/jobs\/$/, e: /\/endpoints\/$/, m: /\/models\/$/, c: /\/(computes|clusters)\/$/ }

export function startKeys() {
  let goUntil = 0
  const help = () => {
    const dialog = document.getElementById('keys')
    if (dialog instanceof HTMLDialogElement && !dialog.open) dialog.showModal()
  }
  document.querySelector('[data-keys-help]')?.addEventListener('click', help)
  document.addEventListener('keydown', (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || document.querySelector('dialog[open]')) return
    if (isTyping(event.target)) {
      if (event.key === 'Escape' && /** @type {HTMLElement} */ (event.target).matches('[data-search]')) /** @type {HTMLElement} */ (event.target).blur()
      return
    }
    const done = Date.now() < goUntil ? go(event.key) : command(event)
    goUntil = !done && event.key === 'g' ? Date.now() + 1500 : 0
    if (done) event.preventDefault()
  })

  /** @param {KeyboardEvent} event */
  function command(event) {
    switch (event.key) {
      case '/': return focusSearch()
      case 'n': return click('[data-key-new]')
      case 'j': return moveRow(1)
      case 'k': return moveRow(-1)
      case 'x': return chooseRow()
      case 'Enter': return event.target === document.body || /** @type {Element} */ (event.target).matches('tr, main') ? openRow() : false
      case '?': help(); return true
      default: return false
    }
  }
}

/** @param {string} key */
function go(key) {
  const wanted = GO[/** @type {keyof typeof GO} */ (key)]
  if (!wanted) return false
  for (const link of document.querySelectorAll('.sidebar nav a')) {
    if (!wanted.test(new URL(/** @type {HTMLAnchorElement} */ (link).href).pathname)) continue
    location.href = /** @type {HTMLAnchorElement} */ (link).href
    return true
  }
  return false
}

function focusSearch() {
  const field = document.querySelector('[data-search]')
  if (!(field instanceof HTMLInputElement)) return false
  field.focus()
  field.select()
  return true
}

/** @param {string} selector */
function click(selector) {
  const target = document.querySelector(selector)
  if (!(target instanceof HTMLElement)) return false
  target.click()
  return true
}
