/** Notices that come and go: said to the ear, held while somebody looks at them or stands in them, taken away by Escape. */
import { icon, make } from './page.js'

const TOAST_MS = 6000
// After somebody looked away from it.
const REST_MS = 2000
const MOST = 4
const ICONS = { good: 'circle-check', wrong: 'alert-circle', look: 'alert-triangle' }

/**
 * Say something for a few seconds; what went wrong stays until it is closed. The same again is not said beside itself.
 * @param {string} text
 * @param {'good' | 'wrong' | 'look' | 'neutral'} [tone]
 */
export function toast(text, tone = 'neutral') {
  const box = document.getElementById('toasts')
  if (!box) return
  for (const one of box.querySelectorAll('.note')) if (one.querySelector('.note-body')?.textContent === text) one.remove()
  const passing = [...box.querySelectorAll('.note:not(.tone-wrong)')]
  if (box.querySelectorAll('.note').length >= MOST) passing[0]?.remove()
  const close = make('button', { class: 'icon-button small', type: 'button', 'data-toast-close': '', 'aria-label': 'Close this notice' }, icon('x'))
  // Its box is read as it fills (role status); what went wrong interrupts.
  /** @type {Record<string, string>} */
  const role = tone === 'wrong' ? { role: 'alert' } : {}
  const note = make('div', { class: `note slim tone-${tone}`, ...role },
    icon(ICONS[/** @type {keyof typeof ICONS} */ (tone)] ?? 'info-circle'), make('div', { class: 'note-body' }, text), close)
  box.append(note)
  fade(note)
}

/** @param {Element} note */
function fade(note) {
  if (note.classList.contains('tone-wrong')) return
  /** @type {any} */
  let timer
  const held = () => note.matches(':hover') || note.contains(document.activeElement) || document.hidden
  const rest = (/** @type {number} */ ms) => {
    clearTimeout(timer)
    timer = setTimeout(() => (held() ? rest(REST_MS) : note.remove()), ms)
  }
  const hold = () => clearTimeout(timer)
  note.addEventListener('pointerenter', hold)
  note.addEventListener('focusin', hold)
  note.addEventListener('pointerleave', () => rest(REST_MS))
  note.addEventListener('focusout', () => rest(REST_MS))
  rest(TOAST_MS)
}

/**
 * Take a notice away; who stood in it goes on at the next one, else at the page.
 * @param {Element | null | undefined} note
 */
function dismiss(note) {
  if (!note) return false
  const inside = note.contains(document.activeElement)
  const next = note.previousElementSibling ?? note.nextElementSibling
  note.remove()
  if (inside) /** @type {HTMLElement | null} */ (next?.querySelector('[data-toast-close]') ?? document.getElementById('content'))?.focus({ preventScroll: true })
  return true
}

export function startToasts() {
  const box = document.getElementById('toasts')
  // What came with the page was there before anybody listened: put in once more, it is read.
  const came = [...(box?.children ?? [])]
  for (const note of came) {
    note.classList.add('still')
    box?.append(note)
    fade(note)
  }
  document.addEventListener('click', (event) => {
    const close = /** @type {Element} */ (event.target).closest?.('[data-toast-close]')
    if (close) dismiss(close.closest('.note'))
  })
  document.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape' || event.defaultPrevented || document.querySelector('dialog[open], details.menu[open]')) return
    const within = document.activeElement?.closest('#toasts .note')
    if (dismiss(within ?? box?.lastElementChild)) event.preventDefault()
  })
  document.addEventListener('toast', (event) => {
    const { text, tone } = /** @type {any} */ (event).detail
    toast(text, tone)
  })
  document.addEventListener('htmx:sendError', (event) => {
    const { requestConfig } = /** @type {any} */ (event).detail
    const reads = requestConfig?.verb === 'get'
    // A refresh by itself that came to nothing is the live dot's business.
    if (reads && !byHand(requestConfig?.triggeringEvent)) return
    toast(reads ? 'The studio did not answer. What you see is as it was.' : 'The studio did not answer. Nothing was changed.', 'wrong')
  })
  document.addEventListener('htmx:responseError', (event) => {
    const { xhr, requestConfig } = /** @type {any} */ (event).detail
    // A refresh that failed is the live dot's business; what the person did is theirs to know.
    if (requestConfig?.verb === 'get') return
    const id = xhr.getResponseHeader('X-Request-Id')
    toast(`That did not work (${xhr.status}). Reload the page and try again.${id ? ` Request ${id}.` : ''}`, 'wrong')
  })
}

/** @param {Event | undefined} event */
function byHand(event) {
  return Boolean(event) && /^(click|submit|change|input|search|key)/.test(/** @type {Event} */ (event).type)
}
