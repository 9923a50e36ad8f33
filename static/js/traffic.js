/**
 * The traffic bar: one bar cut by deployments, with cuts to drag or move by keys, and the same shares as numbers.
 * The numbers are the form's inputs and the only truth; the bar is drawn from them.
 */

/** @typedef {{name: string, percent: number, before: number, colour: string}} Share */

const SPACE = 'http://www.w3.org/2000/svg'
const WIDTH = 1000
const HEIGHT = 40

/**
 * Where the cuts between neighbours lie, in percent: one fewer than there are shares.
 * @param {number[]} percents
 * @returns {number[]}
 */
export function cutsOf(percents) {
  let at = 0
  return percents.slice(0, -1).map((percent) => (at += percent))
}

/**
 * The shares after a cut was moved: only its two neighbours change, and none below nothing.
 * @param {number[]} percents
 * @param {number} index of the cut
 * @param {number} to in percent
 * @returns {number[]}
 */
export function moved(percents, index, to) {
  const cuts = cutsOf(percents)
  const low = index ? cuts[index - 1] : 0
  const high = index + 1 < cuts.length ? cuts[index + 1] : percents.reduce((sum, one) => sum + one, 0)
  const at = Math.round(Math.min(Math.max(to, low), high))
  const next = [...percents]
  next[index] = at - low
  next[index + 1] = high - at
  return next
}

/**
 * The shares after one was typed: with two deployments the other one takes the rest.
 * @param {number[]} percents
 * @param {number} index
 * @param {number} value
 */
export function typed(percents, index, value) {
  const next = [...percents]
  next[index] = Math.min(Math.max(Math.round(value) || 0, 0), 100)
  if (next.length === 2) next[1 - index] = 100 - next[index]
  return next
}

/**
 * What changes, in words: `blue 100 % → 80 %, green 0 % → 20 %`, or what is wrong with it.
 * @param {Share[]} shares
 */
export function change(shares) {
  const total = shares.reduce((sum, one) => sum + one.percent, 0)
  const changed = shares.filter((one) => one.percent !== one.before)
  if (!changed.length) return { text: '', fits: true, changed: false }
  const words = changed.map((one) => `${one.name} ${one.before} % → ${one.percent} %`).join(', ')
  if (total !== 100 && total !== 0) return { text: `${words}. In all ${total} %: make it 100, or 0 for none.`, fits: false, changed: true }
  return { text: words, fits: true, changed: true }
}

/** @param {HTMLFormElement} form */
export function traffic(form) {
  const bar = /** @type {SVGSVGElement} */ (/** @type {unknown} */ (form.querySelector('[data-traffic-bar]')))
  const rows = [.../** @type {NodeListOf<HTMLElement>} */ (form.querySelectorAll('[data-traffic-part]'))]
  const inputs = rows.map((row) => row.querySelector('input'))
  if (inputs.some((input) => !input)) return
  const said = /** @type {HTMLElement} */ (form.querySelector('[data-traffic-change]'))
  const apply = /** @type {HTMLButtonElement} */ (form.querySelector('[data-traffic-apply]'))
  const undo = /** @type {HTMLButtonElement} */ (form.querySelector('[data-traffic-reset]'))
  const mirror = [...form.querySelectorAll('[name^="mirror_"]')].map((one) => /** @type {HTMLInputElement} */ (one))
  const mirrorBefore = mirror.map((one) => one.value).join('|')
  const holder = document.createElement('div')
  holder.className = 'traffic-hold'
  bar.replaceWith(holder)
  holder.append(bar)
  bar.setAttribute('aria-hidden', 'true')
  /** @type {SVGSVGElement[]} */
  const handles = rows.slice(0, -1).map((row, index) => handle(row, index))
  const cutsBox = document.createElementNS(SPACE, 'svg')
  cutsBox.setAttribute('class', 'traffic-cuts')
  cutsBox.append(...handles)
  holder.append(cutsBox)

  const percents = () => inputs.map((input) => Math.min(Math.max(Number(input?.value) || 0, 0), 100))

  /** @param {number[]} next */
  function put(next) {
    inputs.forEach((input, index) => input && (input.value = String(next[index])))
    draw()
  }

  function draw() {
    const now = percents()
    const whole = now.reduce((sum, one) => sum + one, 0)
    const scale = WIDTH / Math.max(whole, 100)
    let at = 0
    const shapes = [shape('bar-back', 0, WIDTH)]
    now.forEach((percent, index) => {
      shapes.push(shape(rows[index].dataset.colour ?? '', at * scale, percent * scale))
      at += percent
    })
    bar.replaceChildren(...shapes)
    const cuts = cutsOf(now)
    handles.forEach((one, index) => {
      one.setAttribute('x', `${(cuts[index] * scale) / 10}%`)
      const [left, right] = [rows[index], rows[index + 1]]
      one.setAttribute('aria-valuenow', String(cuts[index]))
      one.setAttribute('aria-valuetext', `${left.dataset.trafficPart} ${now[index]} %, ${right.dataset.trafficPart} ${now[index + 1]} %`)
    })
    const told = change(rows.map((row, index) => ({ name: row.dataset.trafficPart ?? '', percent: now[index], before: Number(row.dataset.before), colour: '' })))
    const copies = mirror.map((one) => one.value).join('|') !== mirrorBefore
    said.textContent = told.text || (copies ? 'What is copied changes.' : '')
    said.classList.toggle('text-wrong', !told.fits)
    apply.disabled = !told.fits || (!told.changed && !copies)
    undo.hidden = !told.changed && !copies
    form.dataset.dirty = told.changed || copies ? '1' : ''
  }

  /**
   * @param {HTMLElement} row
   * @param {number} index
   */
  function handle(row, index) {
    // Drawn, and placed by attributes: a style of its own would be refused by the policy once htmx copies it.
    const one = document.createElementNS(SPACE, 'svg')
    one.setAttribute('class', 'traffic-cut')
    one.setAttribute('tabindex', '0')
    one.append(part('traffic-cut-room', -12, 24), part('traffic-cut-grip', -3, 6))
    one.setAttribute('role', 'slider')
    one.setAttribute('aria-label', `Between ${row.dataset.trafficPart} and ${rows[index + 1].dataset.trafficPart}`)
    one.setAttribute('aria-valuemin', '0')
    one.setAttribute('aria-valuemax', '100')
    one.addEventListener('keydown', (event) => {
      const steps = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10, Home: -100, End: 100 }
      const step = steps[/** @type {keyof typeof steps} */ (event.key)]
      if (step === undefined) return
      event.preventDefault()
      begin()
      put(moved(percents(), index, cutsOf(percents())[index] + step))
    })
    one.addEventListener('pointerdown', (event) => {
      event.preventDefault()
      one.focus()
      begin()
      one.setPointerCapture(event.pointerId)
      one.onpointermove = (/** @type {PointerEvent} */ at) => {
        const box = holder.getBoundingClientRect()
        put(moved(percents(), index, ((at.clientX - box.left) / box.width) * 100))
      }
      one.onpointerup = one.onpointercancel = () => (one.onpointermove = null)
    })
    return one
  }

  /** An endpoint that nobody gets requests of begins with all of them at the first deployment. */
  function begin() {
    if (percents().every((one) => !one)) put(percents().map((_, index) => (index ? 0 : 100)))
  }

  inputs.forEach((input, index) => input?.addEventListener('input', () => {
    if (inputs.length === 2 && input.value !== '') {
      const next = typed(percents(), index, Number(input.value))
      const other = inputs[1 - index]
      if (other) other.value = String(next[1 - index])
    }
    draw()
  }))
  for (const one of mirror) one.addEventListener('input', draw)
  form.addEventListener('reset', () => setTimeout(draw))
  draw()
}

/** @param {string} name @param {number} x @param {number} width */
function part(name, x, width) {
  const rect = shape(name, x, width)
  rect.setAttribute('height', '42')
  rect.setAttribute('rx', '3')
  return rect
}

/**
 * @param {string} name
 * @param {number} x
 * @param {number} width
 */
function shape(name, x, width) {
  const rect = document.createElementNS(SPACE, 'rect')
  rect.setAttribute('class', name)
  rect.setAttribute('x', String(x))
  rect.setAttribute('width', String(Math.max(width, 0)))
  rect.setAttribute('height', String(HEIGHT))
  return rect
}
