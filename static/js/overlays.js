/** Menus that close themselves, copy buttons, and the dialog that asks before something is lost. */
import { make } from './page.js'
import { toast } from './toasts.js'

export function startMenus() {
  const open = () => document.querySelectorAll('details.menu[open]')
  document.addEventListener('click', (event) => {
    for (const menu of open()) if (!menu.contains(/** @type {Node} */ (event.target))) menu.removeAttribute('open')
  })
  document.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape') return
    for (const menu of open()) {
      event.preventDefault()
      menu.removeAttribute('open')
      menu.querySelector('summary')?.focus()
    }
  })
  document.addEventListener('keydown', (event) => {
    if (event.key !== 'ArrowDown' && event.key !== 'ArrowUp') return
    const menu = /** @type {Element} */ (event.target).closest?.('details.menu[open]')
    if (!menu) return
    event.preventDefault()
    const entries = [...menu.querySelectorAll('.menu-panel :is(a, button, input:enabled:not([type=hidden]))')].filter((entry) => entry.getClientRects().length)
    const at = entries.indexOf(/** @type {Element} */ (document.activeElement))
    // From the button itself the first way up leads to the last.
    const next = entries.at(event.key === 'ArrowDown' ? (at + 1) % entries.length : at < 0 ? -1 : at - 1)
    if (next instanceof HTMLElement) next.focus()
  })
  matchMedia('(min-width: 640px)').addEventListener('change', () => {
    const drawer = document.getElementById('sidebar')
    if (drawer?.matches(':popover-open')) drawer.hidePopover()
  })
  document.addEventListener('toggle', (event) => {
    const menu = event.target
    if (!(menu instanceof HTMLDetailsElement) || !menu.matches('.menu')) return
    if (menu.open) place(menu)
  }, true)
}

/**
 * A menu in a scrolling box would be cut off by it: there it is laid out in the window instead.
 * @param {HTMLDetailsElement} menu
 */
function place(menu) {
  const panel = menu.querySelector('.menu-panel')
  const box = menu.getBoundingClientRect()
  if (!(panel instanceof HTMLElement)) return
  panel.style.maxHeight = ''
  const height = panel.offsetHeight
  const over = box.bottom + height + 8 > innerHeight && box.top > height
  if (!menu.closest('.table-wrap, .bulk-bar, .switch, .list-head') && !over) return
  panel.style.position = 'fixed'
  panel.style.left = panel.style.right = 'auto'
  const width = panel.offsetWidth
  panel.style.top = `${over ? box.top - height - 4 : box.bottom + 4}px`
  const left = menu.matches('.from-left') ? box.left : box.right - width
  panel.style.left = `${Math.max(8, Math.min(left, innerWidth - width - 8))}px`
  panel.style.maxHeight = `${Math.min(innerHeight * 0.7, over ? box.top - 12 : innerHeight - box.bottom - 12)}px`
  const close = (/** @type {Event} */ event) => {
    // What the menu itself holds may well be longer than it is.
    if (menu.open && event.target instanceof Node && panel.contains(event.target)) return
    menu.removeAttribute('open')
    removeEventListener('scroll', close, { capture: true })
  }
  addEventListener('scroll', close, { capture: true, passive: true })
}

export function startCopy() {
  document.addEventListener('click', async (event) => {
    const button = /** @type {Element} */ (event.target).closest?.('[data-copy]')
    if (!(button instanceof HTMLElement)) return
    event.preventDefault()
    event.stopPropagation()
    if (!(await copy(button.dataset.copy ?? ''))) return
    const use = button.querySelector('use')
    button.classList.add('done')
    use?.setAttribute('href', `${document.body.dataset.icons}#i-check`)
    setTimeout(() => {
      button.classList.remove('done')
      use?.setAttribute('href', `${document.body.dataset.icons}#i-copy`)
    }, 1500)
  })
}

/**
 * @param {string} text
 * @returns {Promise<boolean>}
 */
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch {
    // Plain HTTP has no clipboard: fall back to a selection.
    const area = make('textarea', { class: 'said', 'aria-hidden': 'true' })
    document.body.append(area)
    const field = /** @type {HTMLTextAreaElement} */ (area)
    field.value = text
    field.select()
    const done = document.execCommand('copy')
    area.remove()
    if (!done) toast('This browser did not allow copying.', 'look')
    return done
  }
}

/**
 * Ask; true when the person went on.
 * @param {HTMLElement} element carries data-confirm-title, -text, -verb, -goes (a line each), -type
 * @returns {Promise<boolean>}
 */
export function ask(element) {
  const dialog = /** @type {HTMLDialogElement | null} */ (document.getElementById('confirm'))
  if (!dialog) return Promise.resolve(window.confirm(element.dataset.confirmTitle))
  const { confirmTitle = '', confirmText = '', confirmVerb = 'Go on', confirmGoes = '', confirmType = '' } = element.dataset
  const part = (/** @type {string} */ name) => /** @type {HTMLElement} */ (dialog.querySelector(`[data-part="${name}"]`))
  for (const menu of document.querySelectorAll('details.menu[open]')) {
    // Where it was asked from a menu, its button has the focus again afterwards.
    const within = menu.contains(document.activeElement)
    menu.removeAttribute('open')
    if (within) menu.querySelector('summary')?.focus()
  }
  const title = /** @type {HTMLElement} */ (dialog.querySelector('h2'))
  const verb = /** @type {HTMLButtonElement} */ (part('verb'))
  const input = /** @type {HTMLInputElement} */ (dialog.querySelector('#confirm-type'))
  title.textContent = confirmTitle
  part('text').textContent = confirmText
  part('text').hidden = !confirmText
  part('goes').replaceChildren(...confirmGoes.split('\n').filter(Boolean).map((line) => make('li', {}, line)))
  part('goes').hidden = !confirmGoes
  part('type').hidden = !confirmType
  const label = dialog.querySelector('[data-part="type"] label')
  label?.replaceChildren('Type ', make('code', {}, confirmType), ' to go on')
  input.value = ''
  verb.textContent = confirmVerb
  const check = () => (verb.disabled = Boolean(confirmType) && input.value.trim() !== confirmType)
  input.oninput = check
  check()
  return new Promise((resolve) => {
    dialog.returnValue = ''
    dialog.addEventListener('close', () => resolve(dialog.returnValue === 'yes'), { once: true })
    dialog.showModal()
    if (confirmType) input.focus()
  })
}

export function startConfirm() {
  document.addEventListener('submit', async (event) => {
    const by = event.submitter
    const form = event.target
    if (!(form instanceof HTMLFormElement)) return
    const asks = by?.dataset.confirmTitle ? by : form.dataset.confirmTitle ? form : null
    if (!asks || asks.dataset.confirmed) {
      if (asks) delete asks.dataset.confirmed
      return
    }
    event.preventDefault()
    event.stopImmediatePropagation()
    if (await ask(asks)) {
      asks.dataset.confirmed = '1'
      // A live part was drawn anew meanwhile, and its form with it: what was asked about is sent all the same.
      if (!form.isConnected) {
        form.hidden = true
        document.body.append(form)
      }
      form.requestSubmit(by)
    }
  }, true)
  document.addEventListener('htmx:confirm', async (event) => {
    const { elt, issueRequest } = /** @type {any} */ (event).detail
    if (!elt.dataset?.confirmTitle || elt.tagName === 'FORM') return
    event.preventDefault()
    if (await ask(elt)) issueRequest(true)
  })
}
