/** The command palette (Ctrl-K): pages, objects and actions by a few letters; a combobox in the words of the ARIA practices. */
import { icon, make } from './page.js'
import { setTheme } from './theme.js'

const RECENT_KEPT = 8
const RECENT = 'mooring.recent.'
const SETTLED_MS = 90
// Pages of one object: what a person comes back to.
const OBJECTS = { '/jobs/': 'player-play', '/models/': 'cube', '/endpoints/': 'plug-connected', '/ops/clusters/': 'server' }

export function startPalette() {
  const dialog = document.getElementById('palette')
  if (!(dialog instanceof HTMLDialogElement)) {
    // Nobody is signed in: what the last person looked at is nobody else's business.
    for (const key of Object.keys(localStorage)) if (key.startsWith(RECENT)) localStorage.removeItem(key)
    return
  }
  const input = /** @type {HTMLInputElement} */ (dialog.querySelector('input'))
  const list = /** @type {HTMLElement} */ (dialog.querySelector('[role="listbox"]'))
  const empty = /** @type {HTMLElement} */ (dialog.querySelector('[data-palette-empty]'))
  const said = /** @type {HTMLElement} */ (dialog.querySelector('[data-palette-said]'))
  const kept = RECENT + dialog.dataset.person
  /** @type {AbortController | undefined} */
  let asking
  let timer = 0
  let at = -1
  remember(kept)
  // Without scripts it is a link to the page that does the same.
  for (const button of document.querySelectorAll('[data-palette]')) {
    button.setAttribute('role', 'button')
    button.setAttribute('aria-haspopup', 'dialog')
  }

  const options = () => /** @type {HTMLElement[]} */ ([...list.querySelectorAll('[role="option"]')])
  const choose = (/** @type {number} */ index) => {
    const all = options()
    all[at]?.setAttribute('aria-selected', 'false')
    at = all.length ? (index + all.length) % all.length : -1
    const chosen = all[at]
    if (!chosen) return input.removeAttribute('aria-activedescendant')
    chosen.setAttribute('aria-selected', 'true')
    input.setAttribute('aria-activedescendant', chosen.id)
    chosen.scrollIntoView({ block: 'nearest' })
  }
  const show = (/** @type {string} */ html) => {
    list.innerHTML = html
    if (!input.value.trim()) list.prepend(...recent(kept))
    const all = options()
    for (const [index, option] of all.entries()) option.id = `palette-${index}`
    empty.hidden = all.length > 0
    input.setAttribute('aria-expanded', String(all.length > 0))
    said.textContent = all.length ? `${all.length} found` : 'Nothing found'
    at = -1
    choose(0)
  }
  const search = async () => {
    asking?.abort()
    asking = new AbortController()
    const inside = location.pathname.match(/^\/w\/([^/]+)\//)?.[1] ?? ''
    const query = new URLSearchParams({ q: input.value, options: '', workspace: inside })
    try {
      const answer = await fetch(`${dialog.dataset.url}?${query}`, { signal: asking.signal, headers: { 'HX-Request': 'true' } })
      if (answer.status === 401) location.reload()
      else if (answer.ok) show(await answer.text())
    } catch (error) {
      if (/** @type {Error} */ (error).name === 'AbortError') return
      show('')
      said.textContent = empty.textContent = 'The studio does not answer.'
    }
  }
  const open = () => {
    if (dialog.open) return
    for (const other of /** @type {NodeListOf<HTMLDialogElement>} */ (document.querySelectorAll('dialog[open]'))) other.close()
    const drawer = document.getElementById('sidebar')
    if (drawer?.matches(':popover-open')) drawer.hidePopover()
    input.value = ''
    dialog.showModal()
    input.focus()
    search()
  }

  document.addEventListener('keydown', (event) => {
    if (event.key.toLowerCase() !== 'k' || !(event.ctrlKey || event.metaKey) || event.shiftKey || event.altKey) return
    event.preventDefault()
    if (dialog.open) dialog.close()
    else open()
  })
  document.addEventListener('click', (event) => {
    if (!/** @type {Element} */ (event.target).closest?.('[data-palette]')) return
    event.preventDefault()
    open()
  })
  dialog.addEventListener('click', (event) => {
    const target = /** @type {Element} */ (event.target)
    // A click beside the palette closes it.
    if (target === dialog || target.closest('[data-palette-close]')) return dialog.close()
    const option = target.closest('[role="option"]')
    if (!(option instanceof HTMLAnchorElement)) return
    if (option.dataset.do) {
      event.preventDefault()
      dialog.close()
      act(option.dataset.do)
    } else if (!event.ctrlKey && !event.metaKey) dialog.close()
  })
  input.addEventListener('input', () => {
    clearTimeout(timer)
    timer = window.setTimeout(search, SETTLED_MS)
  })
  input.addEventListener('keydown', (event) => {
    if (event.isComposing) return
    if (event.key === 'ArrowDown') choose(at + 1)
    else if (event.key === 'ArrowUp') choose(at - 1)
    else if (event.key === 'PageDown') choose(Math.min(at + 8, options().length - 1))
    else if (event.key === 'PageUp') choose(Math.max(at - 8, 0))
    else if (event.key === 'Enter') options()[at]?.dispatchEvent(new MouseEvent('click', { bubbles: true, cancelable: true, ctrlKey: event.ctrlKey, metaKey: event.metaKey }))
    else return
    event.preventDefault()
  })
}

/** @param {string} what */
function act(what) {
  if (what === 'keys') /** @type {HTMLElement | null} */ (document.querySelector('[data-keys-help]'))?.click()
  else setTheme(what.replace('theme-', ''))
}

/**
 * @param {string} key
 * @returns {{title: string, url: string, icon: string}[]}
 */
function read(key) {
  try {
    const found = JSON.parse(localStorage.getItem(key) ?? '[]')
    return Array.isArray(found) ? found.filter((one) => typeof one.url === 'string' && one.url.startsWith('/')) : []
  } catch {
    return []
  }
}

/** Keep the object that this page shows. @param {string} key */
function remember(key) {
  const path = location.pathname
  const kind = Object.entries(OBJECTS).find(([part]) => path.includes(part) && /^[^/-][^/]*\//.test(path.slice(path.indexOf(part) + part.length)))
  const title = document.querySelector('h1')?.textContent?.trim()
  if (!kind || !title || path.includes('/attach/')) return
  const end = path.indexOf(kind[0]) + kind[0].length
  const url = path.slice(0, path.indexOf('/', end) + 1)
  const rest = read(key).filter((one) => one.url !== url)
  try {
    localStorage.setItem(key, JSON.stringify([{ title, url, icon: kind[1] }, ...rest].slice(0, RECENT_KEPT)))
  } catch {
    // No room, or not allowed: there is simply no list of recent pages.
  }
}

/** @param {string} key */
function recent(key) {
  const found = read(key).filter((one) => one.url !== location.pathname).slice(0, RECENT_KEPT - 2)
  if (!found.length) return []
  const head = make('div', { class: 'palette-group', id: 'palette-group-recent', role: 'presentation' }, 'Recent')
  const lines = found.map((one) => make('a', { role: 'option', 'aria-selected': 'false', tabindex: '-1', href: one.url },
    icon(one.icon), make('span', { class: 'palette-title' }, one.title), make('span', { class: 'palette-line' }, one.url.split('/')[2] ?? '')))
  return [make('div', { role: 'group', 'aria-labelledby': 'palette-group-recent' }, head, ...lines)]
}
