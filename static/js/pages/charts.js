/** Figures over time as pictures: requests, times, answers by class, replicas. */
import uPlot from 'uplot'
import { each, make } from '../page.js'

const EVERY_MS = 10_000
const HEIGHT = 180
// The person's own, where one was chosen; else the browser's.
const zone = document.body.dataset.timeZone

/**
 * @typedef {Record<string, any>} Figures  as monitoring/figures.json has them
 * @typedef {{label: string, values: (number | null)[], tone: string, dash?: number[]}} Line
 */

/** @type {Record<string, {title: string, unit: string, lines: (figures: Figures, one: string) => Line[]}>} */
const CHARTS = {
  rate: {
    title: 'Requests per second',
    unit: '/s',
    lines: (figures, one) => {
      const names = one ? [one] : Object.keys(figures.deployments)
      const lines = names.map((name) => ({ label: name, values: figures.deployments[name]?.rate ?? [], tone: tone(figures, name) }))
      const copies = Object.entries(figures.mirrored)
        .filter(([name]) => !one || name === one)
        .map(([name, column]) => ({ label: `${name} (copies)`, values: column.rate, tone: tone(figures, name), dash: [4, 4] }))
      const whole = !one && names.length > 1 ? [{ label: 'All', values: figures.all.rate, tone: '--m-strong' }] : []
      return [...whole, ...lines, ...copies]
    },
  },
  time: {
    title: 'Time to answer',
    unit: ' ms',
    lines: (figures, one) => {
      const column = columnOf(figures, one)
      return [
        { label: 'p50', values: column.p50, tone: '--m-good' },
        { label: 'p95', values: column.p95, tone: '--m-moving' },
        { label: 'p99', values: column.p99, tone: '--m-look' },
      ]
    },
  },
  classes: {
    title: 'Answers by class of status',
    unit: '/s',
    lines: (figures, one) => {
      const column = columnOf(figures, one)
      const tones = { '2xx': '--m-good', '3xx': '--m-neutral', '4xx': '--m-look', '5xx': '--m-wrong', other: '--m-wrong' }
      return figures.classes.map((/** @type {keyof typeof tones} */ name) => ({ label: name, values: column.classes[name], tone: tones[name] ?? '--m-neutral' }))
    },
  },
  ready: {
    title: 'Replicas ready',
    unit: '',
    lines: (figures, one) => (one ? [one] : Object.keys(figures.deployments)).map((name) => ({ label: name, values: figures.deployments[name]?.ready ?? [], tone: tone(figures, name) })),
  },
}

/** @param {Figures} figures @param {string} one */
function columnOf(figures, one) {
  if (!one) return figures.all
  const empty = figures.at.map(() => null)
  return figures.deployments[one] ?? { rate: empty, p50: empty, p95: empty, p99: empty, ready: empty, classes: Object.fromEntries(figures.classes.map((/** @type {string} */ name) => [name, empty])) }
}

/** @param {Figures} figures @param {string} name */
function tone(figures, name) {
  return `--share-${Object.keys(figures.deployments).sort().indexOf(name) % 8}`
}

/** @param {number | null | undefined} value */
function written(value) {
  if (value === null || value === undefined) return '–'
  return value >= 100 ? Math.round(value).toLocaleString('en') : String(Math.round(value * 100) / 100)
}

/** @param {HTMLElement} root */
function start(root) {
  const { url = '', one = '' } = root.dataset
  const boxes = /** @type {HTMLElement[]} */ ([...root.querySelectorAll('[data-chart]')])
  /** @type {Map<HTMLElement, {plot: uPlot, key: string}>} */
  const plots = new Map()
  const sync = uPlot.sync('figures')
  let timer = 0

  async function load() {
    clearTimeout(timer)
    timer = window.setTimeout(load, EVERY_MS)
    if (document.hidden) return
    try {
      const answer = await fetch(url, { headers: { Accept: 'application/json' } })
      if (answer.ok) draw(await answer.json())
    } catch {
      // The header says when the studio does not answer; the next try comes by itself.
    }
  }

  /** @param {Figures} figures */
  function draw(figures) {
    for (const box of boxes) {
      const chart = CHARTS[box.dataset.chart ?? '']
      const lines = chart.lines(figures, one)
      const data = /** @type {uPlot.AlignedData} */ ([figures.at, ...lines.map((line) => line.values)])
      const key = lines.map((line) => line.label).join('|')
      const held = plots.get(box)
      if (held?.key === key) held.plot.setData(data)
      else {
        held?.plot.destroy()
        plots.set(box, { plot: new uPlot(options(box, chart, lines), data, box), key })
      }
      const known = lines.some((line) => line.values.some((value) => value !== null))
      box.toggleAttribute('data-unknown', !known)
    }
    root.dataset.drawn = String(Date.now())
  }

  /**
   * @param {HTMLElement} box
   * @param {(typeof CHARTS)[string]} chart
   * @param {Line[]} lines
   * @returns {uPlot.Options}
   */
  function options(box, chart, lines) {
    const colour = (/** @type {string} */ name) => () => resolved(root, name)
    const axis = { stroke: colour('--m-quiet'), grid: { stroke: colour('--m-line'), width: 1 }, ticks: { show: false }, font: '11px Inter Variable, sans-serif' }
    return {
      width: box.clientWidth,
      height: HEIGHT,
      ...(zone ? { tzDate: (/** @type {number} */ at) => uPlot.tzDate(new Date(at * 1000), zone) } : {}),
      cursor: { sync: { key: sync.key }, points: { size: 6 }, drag: { x: false, y: false } },
      legend: { live: true },
      scales: { x: { time: true }, y: { range: (_, low, high) => [0, Math.max(high ?? 0, low ?? 0) * 1.1 || 1] } },
      axes: [
        { ...axis, values: '{HH}:{mm}', size: 28, space: 64 },
        { ...axis, size: 46, values: (_, ticks) => ticks.map((tick) => written(tick)) },
      ],
      series: [
        { value: '{YYYY}-{MM}-{DD} {HH}:{mm}:{ss}' },
        ...lines.map((line) => ({
          label: line.label,
          stroke: colour(line.tone),
          width: 1.5,
          dash: line.dash,
          points: { show: (/** @type {uPlot} */ plot, /** @type {number} */ index) => alone(plot, index), size: 4 },
          value: (/** @type {uPlot} */ _, /** @type {number | null} */ value) => (value === null || value === undefined ? '–' : `${written(value)}${chart.unit}`),
        })),
      ],
    }
  }

  const resize = new ResizeObserver(() => {
    for (const [box, { plot }] of plots) if (box.clientWidth && box.clientWidth !== plot.width) plot.setSize({ width: box.clientWidth, height: HEIGHT })
  })
  for (const box of boxes) resize.observe(box)
  const redraw = () => {
    for (const { plot } of plots.values()) plot.redraw(false)
  }
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redraw)
  new MutationObserver(redraw).observe(document.documentElement, { attributes: true, attributeFilter: ['data-bs-theme'] })
  document.addEventListener('visibilitychange', () => document.hidden || load())
  load()
}

/**
 * A single value between gaps is a point, else it would not be seen.
 * @param {uPlot} plot
 * @param {number} index
 */
function alone(plot, index) {
  const values = plot.data[index] ?? []
  return [...values].some((value, at) => value !== null && (values[at - 1] ?? null) === null && (values[at + 1] ?? null) === null)
}

/**
 * A colour of the style sheet as the browser paints it now: a canvas does not know light-dark().
 * @param {HTMLElement} root
 * @param {string} name
 */
function resolved(root, name) {
  const probe = make('span', { hidden: '' })
  probe.style.color = `var(${name})`
  root.append(probe)
  const found = getComputedStyle(probe).color
  probe.remove()
  return found
}

each('[data-figures]', start)
