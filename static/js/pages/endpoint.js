/** What the pages of one endpoint have beside the others: traffic to move, a body to send, a name to check. */
import { each } from '../page.js'
import { traffic } from '../traffic.js'

each('[data-traffic]', (form) => traffic(/** @type {HTMLFormElement} */ (form)))

// What is being changed is not put back by what came in meanwhile, and a menu that is open stays so: the next event brings it up to date.
for (const moment of ['htmx:beforeRequest', 'htmx:beforeSwap']) {
  document.addEventListener(moment, (event) => {
    const { elt } = /** @type {any} */ (event).detail
    if (elt instanceof HTMLElement && elt.dataset.liveTopic !== undefined && inHand(elt)) event.preventDefault()
  })
}

/** @param {HTMLElement} element */
function inHand(element) {
  const counts = [.../** @type {NodeListOf<HTMLInputElement>} */ (element.querySelectorAll('.scale-form input[type="number"]'))]
  return element.querySelector('[data-traffic][data-dirty="1"], details.menu[open]') !== null || counts.some((one) => one.value !== one.defaultValue)
}

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

// A choice that says which part of a page to look at is a page of its own.
document.addEventListener('change', (event) => {
  if (event.target instanceof HTMLSelectElement && event.target.dataset.submits !== undefined) event.target.form?.requestSubmit()
})
