/** Light, dark, or as the system: kept in a cookie, so that the server draws the next page right from its first pixel. */

const COOKIE = 'mooring_theme'

export function startTheme() {
  const box = document.querySelector('[data-theme-switch]')
  if (!box) return
  const mark = () => {
    const now = document.documentElement.dataset.bsTheme
    // Each button leads from one theme to the next: the one that starts at the current theme is shown.
    const next = { auto: 'light', light: 'dark', dark: 'auto' }[now ?? 'auto']
    for (const button of box.querySelectorAll('[data-theme-to]')) button.classList.toggle('chosen', /** @type {HTMLElement} */ (button).dataset.themeTo === next)
  }
  mark()
  document.addEventListener('mooring:theme', mark)
  box.addEventListener('click', (event) => {
    const button = /** @type {Element} */ (event.target).closest('[data-theme-to]')
    if (!(button instanceof HTMLElement)) return
    setTheme(button.dataset.themeTo ?? 'auto')
    const shown = box.querySelector('.chosen')
    if (shown instanceof HTMLElement) shown.focus()
  })
  if ('cookieStore' in window) {
    // Another tab changed it.
    /** @type {any} */ (window).cookieStore.addEventListener('change', (/** @type {any} */ event) => {
      for (const { name, value } of event.changed) {
        if (name !== COOKIE) continue
        document.documentElement.dataset.bsTheme = value
        mark()
      }
    })
  }
}

/** @param {string} theme */
export function setTheme(theme) {
  document.documentElement.dataset.bsTheme = theme
  document.cookie = `${COOKIE}=${theme}; path=/; max-age=31536000; samesite=lax${location.protocol === 'https:' ? '; secure' : ''}`
  document.dispatchEvent(new CustomEvent('mooring:theme'))
}
