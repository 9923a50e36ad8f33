/**
 * Lists: rows that open, rows that are chosen, and live changes that do not move what the pointer is over.
 *
 * A list is `[data-live-list]` with an id and rows that have ids. Live answers replace it as a whole while nobody points
 * at it; otherwise rows change where they are, and new ones wait behind a button.
 */
import htmx from 'htmx.org'
import { each, make } from './page.js'

/** @type {WeakMap<Element, string>} answers that wait for the pointer to leave, by list */
const waiting = new WeakMap()
/** @type {Map<string, Map<string, string[]>>} what rows said before a swap, by list id */
const before = new Map()
/** @type {Map<string, {chosen: Set<string>, at: string}>} */
const kept = new Map()
let at = ''

export function startTables() {
  each('table.table-stack', labelCells)
  each('tr[data-href]', (row) => row.setAttribute('tabindex', '-1'))
  each('[data-live-list]', (list) => list.addEventListener('pointerleave', () => setTimeout(() => !isHeld(list) && release(list), 300)))
  each('[data-list-form]', (form) => startListForm(/** @type {HTMLFormElement} */ (form)))
  document.addEventListener('click', openOnClick)
  document.addEventListener('change', onCheck)
  document.addEventListener('click', onBulkClick)
  document.addEventListener('htmx:beforeSwap', beforeSwap)
  // After settling: htmx still writes the attributes of rows that kept their id until then.
  document.addEventListener('htmx:afterSettle', afterSettle)
  countChosen()
}

/** @param {Element} table */
function labelCells(table) {
  const heads = [...table.querySelectorAll('thead th')].map((head) => head.textContent?.trim() ?? '')
  for (const row of table.querySelectorAll('tbody tr')) {
    for (const [index, cell] of [...row.children].entries()) {
      if (cell instanceof HTMLElement && !cell.dataset.label && heads[index] && !cell.matches('.row-menu, .check')) cell.dataset.label = heads[index]
    }
  }
}

/** @param {MouseEvent} event */
function openOnClick(event) {
  const target = /** @type {Element} */ (event.target)
  const row = target.closest?.('tr[data-href]')
  if (!(row instanceof HTMLElement) || event.defaultPrevented || target.closest('a, button, input, label, summary, details, select, textarea')) return
  if (String(getSelection())) return
  if (event.metaKey || event.ctrlKey) window.open(row.dataset.href, '_blank', 'noopener')
  else location.href = row.dataset.href ?? ''
}

// --- choosing ---

const checks = () => /** @type {HTMLInputElement[]} */ ([...document.querySelectorAll('[data-check]')])
/** @type {HTMLInputElement | null} */
let lastCheck = null
let shift = false
document.addEventListener('click', (event) => (shift = event.shiftKey), true)

/** @param {Event} event */
function onCheck(event) {
  const box = /** @type {HTMLInputElement} */ (event.target)
  if (box.matches?.('[data-check-all]')) for (const one of checks()) one.checked = box.checked
  else if (box.matches?.('[data-check]')) {
    const all = checks()
    if (shift && lastCheck && all.includes(lastCheck)) {
      const [from, to] = [all.indexOf(lastCheck), all.indexOf(box)].sort((a, b) => a - b)
      for (const one of all.slice(from, to + 1)) one.checked = box.checked
    }
    lastCheck = box
  } else return
  countChosen()
}

/** @param {MouseEvent} event */
function onBulkClick(event) {
  if (!(/** @type {Element} */ (event.target).closest?.('[data-bulk-clear]'))) return
  for (const box of checks()) box.checked = false
  countChosen()
}

function countChosen() {
  const all = checks()
  const chosen = all.filter((box) => box.checked)
  for (const box of all) box.closest('tr')?.classList.toggle('selected', box.checked)
  for (const head of /** @type {NodeListOf<HTMLInputElement>} */ (document.querySelectorAll('[data-check-all]'))) {
    head.checked = chosen.length > 0 && chosen.length === all.length
    head.indeterminate = chosen.length > 0 && chosen.length < all.length
  }
  for (const bar of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll('[data-bulk]'))) {
    bar.hidden = chosen.length === 0
    const count = bar.querySelector('[data-bulk-count]')
    if (count) count.textContent = String(chosen.length)
  }
}

// --- the row at the cursor ---

const rows = () => /** @type {HTMLElement[]} */ ([...document.querySelectorAll('.list tbody tr[data-href]')])

/** @param {number} step */
export function moveRow(step) {
  const all = rows()
  if (!all.length) return false
  const now = all.findIndex((row) => row.classList.contains('at'))
  const next = all[Math.min(Math.max(now + step, 0), all.length - 1)]
  for (const row of all) row.classList.toggle('at', row === next)
  at = next.id
  next.focus({ preventScroll: true })
  next.scrollIntoView({ block: 'nearest' })
  return true
}

export function openRow() {
  const row = rows().find((one) => one.classList.contains('at'))
  if (!row) return false
  location.href = row.dataset.href ?? ''
  return true
}

export function chooseRow() {
  const box = rows().find((one) => one.classList.contains('at'))?.querySelector('[data-check]')
  if (!(box instanceof HTMLInputElement)) return false
  box.click()
  return true
}

// --- live ---

/** @param {Element} list */
function isHeld(list) {
  return list.matches(':hover') || list.querySelector('details[open]') !== null
}

/** @param {Event} event */
function beforeSwap(event) {
  const { detail } = /** @type {any} */ (event)
  const list = detail.target
  if (!(list instanceof HTMLElement) || !list.matches('[data-live-list]')) return
  const live = String(detail.requestConfig?.triggeringEvent?.type ?? '').startsWith('live:')
  if (live && isHeld(list)) {
    const fresh = new DOMParser().parseFromString(detail.serverResponse, 'text/html').getElementById(list.id)
    if (fresh) {
      detail.shouldSwap = false
      hold(list, fresh, detail.serverResponse)
      return
    }
  }
  remember(list, live)
}

/**
 * Change rows where they are; keep the rest for later.
 * @param {HTMLElement} list
 * @param {HTMLElement} fresh
 * @param {string} html
 */
function hold(list, fresh, html) {
  const now = new Map([...list.querySelectorAll('tbody tr[id]')].map((row) => [row.id, row]))
  let added = 0
  for (const row of fresh.querySelectorAll('tbody tr[id]')) {
    const old = now.get(row.id)
    now.delete(row.id)
    if (old) changeRow(old, row)
    else added += 1
  }
  for (const gone of now.values()) gone.classList.add('leaving')
  waiting.set(list, html)
  showHeld(list, added, now.size)
}

/**
 * @param {Element} old
 * @param {Element} row
 */
function changeRow(old, row) {
  if (old.children.length !== row.children.length) return
  for (const [index, cell] of [...row.children].entries()) {
    const was = old.children[index]
    if (was.matches('.check') || was.querySelector('details[open]') || was.innerHTML === cell.innerHTML) continue
    const said = was.textContent !== cell.textContent && !was.querySelector('time')
    was.innerHTML = cell.innerHTML
    htmx.process(was)
    if (said) flash(was)
  }
  old.className = row.className
  old.classList.toggle('at', old.id === at)
  countChosen()
}

/**
 * @param {HTMLElement} list
 * @param {number} added
 * @param {number} gone
 */
function showHeld(list, added, gone) {
  let held = /** @type {HTMLElement | null} */ (list.querySelector('.held'))
  if (!held) {
    const button = make('button', { type: 'button', class: 'btn btn-sm' })
    button.addEventListener('click', () => release(list))
    held = make('div', { class: 'held', role: 'status' }, button)
    list.prepend(held)
  }
  held.hidden = !added && !gone
  const words = [added && `${added} new`, gone && `${gone} gone`].filter(Boolean).join(', ')
  const button = held.querySelector('button')
  if (button) button.textContent = `${words} — show`
}

/** @param {HTMLElement} list */
function release(list) {
  const html = waiting.get(list)
  if (!html || !list.isConnected) return
  waiting.delete(list)
  const fresh = new DOMParser().parseFromString(html, 'text/html').getElementById(list.id)
  if (!fresh) return
  remember(list, true)
  const parent = list.parentElement
  list.replaceWith(fresh)
  htmx.process(fresh)
  if (parent) document.dispatchEvent(new CustomEvent('htmx:load', { detail: { elt: fresh } }))
  restore(fresh)
}

/**
 * @param {HTMLElement} list
 * @param {boolean} live
 */
function remember(list, live) {
  const said = new Map([...list.querySelectorAll('tbody tr[id]')].map((row) => [row.id, [...row.children].map(wordsOf)]))
  if (live) before.set(list.id, said)
  const chosen = new Set([...list.querySelectorAll('[data-check]:checked')].map((box) => /** @type {HTMLInputElement} */ (box).value))
  kept.set(list.id, { chosen, at })
}

/** @param {Event} event */
function afterSettle(event) {
  const { target } = /** @type {any} */ (event).detail
  const list = target?.id ? document.getElementById(target.id) : null
  if (list instanceof HTMLElement && kept.has(list.id)) restore(list)
}

/** @param {HTMLElement} list */
function restore(list) {
  const { chosen, at: cursor } = kept.get(list.id) ?? { chosen: new Set(), at: '' }
  kept.delete(list.id)
  for (const box of /** @type {NodeListOf<HTMLInputElement>} */ (list.querySelectorAll('[data-check]'))) box.checked = chosen.has(box.value)
  const row = cursor && document.getElementById(cursor)
  if (row && list.contains(row)) {
    row.classList.add('at')
    if (document.activeElement === document.body) row.focus({ preventScroll: true })
  }
  const said = before.get(list.id)
  before.delete(list.id)
  for (const one of said ? list.querySelectorAll('tbody tr[id]') : []) {
    const old = said?.get(one.id)
    for (const [index, cell] of [...one.children].entries()) if (!old || old[index] !== wordsOf(cell)) flash(cell)
  }
  countChosen()
}

/** What a cell says, without the times that change by themselves. @param {Element} cell */
function wordsOf(cell) {
  if (!cell.querySelector('time')) return cell.textContent?.trim() ?? ''
  const copy = /** @type {Element} */ (cell.cloneNode(true))
  for (const time of copy.querySelectorAll('time')) time.remove()
  return copy.textContent?.trim() ?? ''
}

/** @param {Element} element */
export function flash(element) {
  element.classList.remove('flash')
  requestAnimationFrame(() => element.classList.add('flash'))
  element.addEventListener('animationend', () => element.classList.remove('flash'), { once: true })
}

// --- the form above a list ---

/** @param {HTMLFormElement} form */
function startListForm(form) {
  /** @type {any} */
  let timer
  const send = () => {
    clearTimeout(timer)
    const query = new URLSearchParams(location.search)
    // A hidden field is what the address said when the page was made: without it, where there are no scripts, it would be lost.
    const fields = [...form.elements].filter((field) => field instanceof HTMLInputElement && field.name && !('kept' in field.dataset))
    for (const gone of ['after', 'before', ...fields.map((field) => /** @type {HTMLInputElement} */ (field).name)]) query.delete(gone)
    for (const field of /** @type {HTMLInputElement[]} */ (fields)) {
      if (field.value && (field.type !== 'checkbox' || field.checked)) query.append(field.name, field.value)
    }
    countFilters(form)
    const url = `${form.getAttribute('action') || location.pathname}${query.size ? `?${query}` : ''}`
    const target = form.dataset.target ?? '#list'
    if (!document.querySelector(target)) {
      location.href = url
      return
    }
    history.replaceState(history.state, '', url)
    htmx.ajax('get', url, { target, swap: 'outerHTML', select: target })
  }
  form.addEventListener('input', (event) => {
    const field = /** @type {HTMLInputElement} */ (event.target)
    if (field.matches('[data-menu-search]')) return findOption(field)
    clearTimeout(timer)
    timer = setTimeout(send, 250)
  })
  form.addEventListener('submit', (event) => {
    event.preventDefault()
    send()
  })
}

/** How many of its options each filter has on, at its button. @param {HTMLFormElement} form */
function countFilters(form) {
  for (const menu of form.querySelectorAll('[data-filter]')) {
    const count = /** @type {HTMLElement | null} */ (menu.querySelector('[data-filter-count]'))
    const on = menu.querySelectorAll(':checked').length
    if (count) [count.textContent, count.hidden] = [String(on), !on]
  }
}

/** Leave only those options of a long menu that hold what is typed. @param {HTMLInputElement} field */
function findOption(field) {
  for (const option of /** @type {NodeListOf<HTMLElement>} */ (field.closest('.menu-panel')?.querySelectorAll('.menu-check') ?? [])) {
    option.hidden = !option.textContent?.toLowerCase().includes(field.value.trim().toLowerCase())
  }
}
