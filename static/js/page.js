/** Small things that several modules need of the page. */

/**
 * An icon of the sprite.
 * @param {string} name
 * @param {string} [extra]
 * @returns {SVGSVGElement}
 */
export function icon(name, extra = '') {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg')
  svg.setAttribute('class', `icon ${extra}`.trim())
  svg.setAttribute('aria-hidden', 'true')
  const use = document.createElementNS('http://www.w3.org/2000/svg', 'use')
  use.setAttribute('href', `${document.body.dataset.icons}#i-${name}`)
  svg.append(use)
  return svg
}

/**
 * An element with attributes and children; text is text.
 * @param {string} tag
 * @param {Record<string, string>} [attributes]
 * @param {...(Node | string)} children
 * @returns {HTMLElement}
 */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value)
  element.append(...children)
  return element
}

/**
 * Call `run` for each element matching `selector`, now and in whatever htmx brings later.
 * @param {string} selector
 * @param {(element: HTMLElement) => void} run
 */
export function each(selector, run) {
  /** @type {WeakSet<Element>} */
  const done = new WeakSet()
  /** @param {ParentNode & Node} root */
  const look = (root) => {
    const own = root instanceof HTMLElement && root.matches(selector) ? [root] : []
    for (const element of [...own, ...root.querySelectorAll(selector)]) {
      if (done.has(element)) continue
      done.add(element)
      run(/** @type {HTMLElement} */ (element))
    }
  }
  look(document.body)
  document.addEventListener('htmx:load', (event) => look(/** @type {any} */ (event).detail.elt))
}

/**
 * Whether the person is typing, so that single keys are text and not commands.
 * @param {EventTarget | null} target
 */
export function isTyping(target) {
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName))
    && !/^(checkbox|radio|button|submit)$/.test(/** @type {any} */ (target).type)
}
