/** What the pages of one endpoint have beside the others: traffic to move, a body to send, a name to check. */
import { each } from '../page.js'
import { traffic } from '../traffic.js'

each('[data-traffic]', (form) => traffic(/** @type {HTMLFormElement} */ (form)))

// What is being changed is not put back by what came in meanwhile.
document.addEventListener('htmx:beforeRequest', (event) => {
  const { elt } = /** @type {any} */ (event).detail
  if (elt instanceof HTMLElement && elt.querySelector('[data-traffic][data-dirty="1"]')) event.preventDefault()
})

/**
 * A text that is remembered while the browser is open.
 * @param {HTMLElement} element
 */
function remember(element) {
  const area = /** @type {HTMLTextAreaElement} */ (element)
  const key = `mooring-body:${area.dataset.remember}`
  const example = area.value
  if (area.dataset.typed !== '1') area.value = kept(key) ?? example
  area.addEventListener('input', () => keep(key, area.value))
  document.querySelector('[data-body-pretty]')?.addEventListener('click', () => {
    try {
      area.value = JSON.stringify(JSON.parse(area.value), null, 2)
      keep(key, area.value)
    } catch (error) {
      /** @type {any} */ (window).mooring?.toast(`This is not JSON: ${error instanceof Error ? error.message : error}`, 'look')
    }
  })
}

/** @param {string} key */
function kept(key) {
  try {
    return sessionStorage.getItem(key)
  } catch {
    return null
  }
}

/** @param {string} key @param {string} text */
function keep(key, text) {
  try {
    sessionStorage.setItem(key, text)
  } catch {
    // A browser that keeps nothing still sends.
  }
}

each('[data-remember]', remember)

// Ctrl+Enter in a text sends its form.
document.addEventListener('keydown', (event) => {
  if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey)) return
  const area = event.target
  if (area instanceof HTMLTextAreaElement && area.dataset.remember !== undefined) area.form?.requestSubmit()
})

// Steps of a form: the one in sight is marked.
each('[data-steps]', (list) => {
  const links = [...list.querySelectorAll('a')]
  const parts = links.map((link) => document.getElementById(link.hash.slice(1)))
  const seen = new IntersectionObserver(() => {
    const at = parts.findLastIndex((part) => part && part.getBoundingClientRect().top < innerHeight * 0.4)
    links.forEach((link, index) => (index === Math.max(at, 0) ? link.setAttribute('aria-current', 'step') : link.removeAttribute('aria-current')))
  }, { threshold: [0, 0.25, 0.5, 0.75, 1] })
  for (const part of parts) if (part) seen.observe(part)
})

// What a choice asks for is shown with it, and nothing else.
each('[data-shows]', (box) => {
  const show = () => {
    const chosen = /** @type {HTMLInputElement | null} */ (box.querySelector('input:checked'))?.value
    for (const part of document.querySelectorAll(`[data-shown-by="${box.dataset.shows}"]`)) {
      if (part instanceof HTMLElement) part.hidden = !(part.dataset.shownFor ?? '').split(' ').includes(chosen ?? '')
    }
  }
  box.addEventListener('change', show)
  show()
})

// What will be made, in the words of the form.
each('[data-review]', (list) => {
  const form = list.closest('form')
  const draw = () => {
    for (const cell of list.querySelectorAll('[data-review-of]')) {
      const words = (/** @type {HTMLElement} */ (cell).dataset.reviewOf ?? '').split(' ').map((name) => wordsOf(form, name)).filter(Boolean)
      cell.textContent = words.join(' · ') || '–'
    }
  }
  form?.addEventListener('input', draw)
  form?.addEventListener('change', draw)
  document.addEventListener('htmx:afterSettle', draw)
  draw()
})

/** @param {HTMLFormElement | null} form @param {string} name */
function wordsOf(form, name) {
  const field = form?.elements.namedItem(name)
  if (field instanceof RadioNodeList) {
    const chosen = [...field].find((one) => one instanceof HTMLInputElement && one.checked)
    return chosen?.parentElement?.textContent?.trim() ?? ''
  }
  if (field instanceof HTMLSelectElement) return field.selectedOptions[0]?.textContent?.trim() ?? ''
  return field instanceof HTMLInputElement ? field.value.trim() : ''
}

// A choice that says which part of a page to look at is a page of its own.
document.addEventListener('change', (event) => {
  if (event.target instanceof HTMLSelectElement && event.target.dataset.submits !== undefined) event.target.form?.requestSubmit()
})
