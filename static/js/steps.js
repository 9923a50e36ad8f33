/**
 * Long forms in steps: one fieldset at a time, a bar that says where one is, and a review before the button.
 * Without scripts the form is one long page; what is sent is the same.
 */
import { each, icon, make } from './page.js'

export function startSteps() {
  each('[data-shows]', shows)
  each('[data-review]', review)
  each('[data-steps]', steps)
}

/** @typedef {HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement} Control */

/** @param {HTMLElement} box */
function steps(box) {
  const form = box.querySelector('form')
  const actions = form?.querySelector('.form-actions')
  const send = /** @type {HTMLButtonElement | null | undefined} */ (actions?.querySelector('.btn-primary'))
  const links = /** @type {HTMLAnchorElement[]} */ ([...box.querySelectorAll('.form-steps a')])
  const parts = links.map((link) => document.getElementById(`step-${link.dataset.step}`))
  // A step without a fieldset is the server's answer to what is sent.
  const last = parts.findLastIndex((part) => part)
  if (!form || !send || last < 0) return
  const next = make('button', { type: 'button', class: 'btn btn-primary' })
  const back = make('button', { type: 'button', class: 'btn' }, 'Back')
  const review = make('button', { type: 'button', class: 'btn' }, 'Review')
  const missing = make('div', { class: 'note tone-look', role: 'status', hidden: '' })
  send.before(next)
  send.after(back, review)
  legendOf(parts[last])?.after(missing)
  let at = 0

  const titleOf = (/** @type {number} */ index) => links[index].querySelector('.step-title')?.textContent ?? ''
  const holding = (/** @type {Element | null} */ element) => parts.findIndex((part) => part && element && part.contains(element))
  const controls = (/** @type {HTMLElement | null} */ part) => /** @type {Control[]} */ ([...(part?.querySelectorAll('input, select, textarea') ?? [])])
  const refused = (/** @type {HTMLElement | null} */ part) => controls(part).filter((one) => one.willValidate && !one.validity.valid)

  /** @param {number} index @param {HTMLElement | null} [focus] */
  const show = (index, focus) => {
    at = index
    const ends = index === last
    parts.forEach((part, other) => part?.toggleAttribute('hidden', other !== index))
    links.forEach((link, other) => {
      if (other === index) link.setAttribute('aria-current', 'step')
      else link.removeAttribute('aria-current')
      link.parentElement?.classList.toggle('done', other < index)
    })
    next.hidden = ends
    review.hidden = ends || index === last - 1 || !parts[last]?.querySelector('[data-review]')
    back.hidden = index === 0
    send.hidden = !ends && send.dataset.stepsSend !== 'any'
    send.classList.toggle('btn-primary', ends)
    if (!ends) next.replaceChildren(`Next: ${titleOf(index + 1)}`)
    else tellMissing()
    parts[index]?.dispatchEvent(new CustomEvent('steps:shown', { bubbles: true }))
    if (!focus) return
    focus.focus({ preventScroll: true })
    if (focus.matches('legend')) box.scrollIntoView({ block: 'nearest' })
    else focus.scrollIntoView({ block: 'center' })
    if (box.getBoundingClientRect().top < 0 && focus.matches('legend')) box.scrollIntoView({ block: 'start' })
  }
  const tellMissing = () => {
    const wanting = parts.flatMap((part) => refused(part))
    missing.hidden = !wanting.length
    missing.replaceChildren(icon('alert-triangle'), make('div', { class: 'note-body' }, make('p', { class: 'note-title' }, 'Still needed'),
      make('ul', {}, ...wanting.map((one) => make('li', {}, make('a', { href: `#${one.id}` }, one.labels?.[0]?.firstChild?.textContent?.trim() || one.name))))))
  }
  // The step is in the address, so that the browser's Back leads to the step before.
  const go = (/** @type {number} */ index) => {
    const hash = `#step-${links[index].dataset.step}`
    if (location.hash === hash) show(index, legendOf(parts[index]))
    else location.hash = hash
  }
  const forward = () => {
    const [wrong] = refused(parts[at])
    if (wrong) wrong.reportValidity()
    else if (at < last) go(at + 1)
  }
  next.addEventListener('click', forward)
  back.addEventListener('click', () => go(at - 1))
  review.addEventListener('click', () => go(last))
  addEventListener('hashchange', () => {
    const target = document.getElementById(location.hash.slice(1))
    const index = holding(target)
    if (index >= 0) show(index, target === parts[index] ? legendOf(target) : target)
    else if (!location.hash) show(0, legendOf(parts[0]))
  })
  // A problem's link leads to its step, and to its field there; the step of the server is reached by sending.
  document.addEventListener('click', (event) => {
    const link = event.target instanceof Element ? event.target.closest('a[href^="#"]') : null
    if (!(link instanceof HTMLAnchorElement)) return
    if (links.includes(link) && !parts[links.indexOf(link)]) {
      event.preventDefault()
      form.requestSubmit(send)
      return
    }
    const target = document.getElementById(link.hash.slice(1))
    const index = holding(target)
    if (!target || index < 0 || target === parts[index]) return
    event.preventDefault()
    const field = target.matches('input, select, textarea') ? target : target.querySelector('[aria-invalid="true"], input:not([type="hidden"]), select, textarea')
    show(index, field instanceof HTMLElement ? field : target)
  })
  // What the browser refuses to send is shown where it stands: the first one's step is opened before it is focused.
  let told = false
  form.addEventListener('invalid', (event) => {
    const index = event.target instanceof Element ? holding(event.target) : -1
    if (told || index < 0) return
    told = true
    setTimeout(() => (told = false))
    if (index !== at) show(index)
  }, true)
  // Enter leads on; only the last step sends.
  form.addEventListener('keydown', (event) => {
    const field = event.target
    if (event.key !== 'Enter' || event.isComposing || at === last || !(field instanceof HTMLInputElement) || field.list || /^(button|submit|file)$/.test(field.type)) return
    event.preventDefault()
    forward()
  })

  parts.forEach((part, index) => {
    legendOf(part)?.setAttribute('tabindex', '-1')
    const count = part?.querySelectorAll('.problem').length ?? 0
    if (!count) return
    links[index].parentElement?.classList.add('wrong')
    links[index].querySelector('.step-title')?.append(' ', make('span', { class: 'said' }, `(${count} ${count === 1 ? 'problem' : 'problems'})`))
  })
  const first = parts.findIndex((part) => part?.querySelector('.problem'))
  const asked = holding(document.getElementById(location.hash.slice(1)))
  show(first >= 0 ? first : Math.max(asked, 0))
  box.dataset.ready = '1'
}

/** @param {HTMLElement | null} part */
function legendOf(part) {
  return /** @type {HTMLElement | null} */ (part?.querySelector('legend') ?? null)
}

/**
 * What a choice asks for is shown with it, and nothing else.
 * @param {HTMLElement} box
 */
function shows(box) {
  const show = () => {
    const chosen = /** @type {HTMLInputElement | null} */ (box.querySelector('input:checked'))?.value
    for (const part of document.querySelectorAll(`[data-shown-by="${box.dataset.shows}"]`)) {
      if (part instanceof HTMLElement) part.hidden = !(part.dataset.shownFor ?? '').split(' ').includes(chosen ?? '')
    }
  }
  box.addEventListener('change', show)
  show()
}

/**
 * What will be made, in the words of the form.
 * @param {HTMLElement} list
 */
function review(list) {
  const form = list.closest('form')
  if (!form) return
  const draw = () => {
    const given = new FormData(form)
    for (const cell of /** @type {NodeListOf<HTMLElement>} */ (list.querySelectorAll('[data-review-of]'))) {
      const words = (cell.dataset.reviewOf ?? '').split(' ').map((name) => wordsOf(form, given, name)).filter(Boolean)
      cell.textContent = words.join(' · ') || cell.dataset.reviewElse || '–'
    }
  }
  form.addEventListener('input', draw)
  form.addEventListener('change', draw)
  form.addEventListener('steps:shown', draw)
  document.addEventListener('htmx:afterSettle', draw)
  draw()
}

/** @param {HTMLFormElement} form @param {FormData} given @param {string} name */
function wordsOf(form, given, name) {
  const field = form.elements.namedItem(name)
  if (field instanceof HTMLSelectElement) return field.selectedOptions[0]?.textContent?.trim() ?? ''
  if (field instanceof HTMLInputElement && field.type === 'checkbox') return field.checked ? field.labels?.[0]?.textContent?.trim() ?? '' : ''
  if (field instanceof RadioNodeList) {
    const chosen = [...field].find((one) => one instanceof HTMLInputElement && one.type === 'radio' && one.checked)
    if (chosen) return chosen.parentElement?.textContent?.trim() ?? ''
  }
  const words = given.getAll(name).map((value) => (value instanceof File ? value.name : value.trim())).filter(Boolean)
  const rest = words.length - MOST_NAMED
  return words.slice(0, MOST_NAMED).join(', ') + (rest > 0 ? ` and ${rest} more` : '')
}

const MOST_NAMED = 8
