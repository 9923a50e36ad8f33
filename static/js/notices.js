/** Tell of notices by the browser: only after the person asked for it on this browser, and never on a page they look at. */

const KEY = 'mooring.notify'

export function startNotices() {
  const able = 'Notification' in window && isSecureContext
  document.addEventListener('live:message', (event) => {
    const { topic, event: name, payload } = /** @type {any} */ (event).detail
    if (!topic.startsWith('notices:') || name !== 'told' || !payload.browser || !able || !wanted()) return
    if (document.visibilityState === 'visible' && document.hasFocus()) return
    // Every open tab hears of it: the tag makes one notification of theirs.
    const note = new Notification(payload.title, { body: payload.text, tag: payload.about, icon: document.querySelector('link[rel="icon"]')?.getAttribute('href') ?? undefined })
    note.addEventListener('click', () => {
      window.focus()
      location.href = payload.url
      note.close()
    })
  })
  const box = document.querySelector('[data-notify-permission]')
  if (!box) return
  const state = /** @type {HTMLElement} */ (box.querySelector('[data-notify-state]'))
  const allow = /** @type {HTMLElement} */ (box.querySelector('[data-notify-allow]'))
  const off = /** @type {HTMLElement} */ (box.querySelector('[data-notify-off]'))
  const show = () => {
    const permission = able ? Notification.permission : 'unable'
    state.textContent = permission === 'unable' ? 'This browser cannot tell you: that takes HTTPS and a browser that knows notifications.'
      : permission === 'denied' ? 'This browser refuses notifications of the studio. Allow them in its settings for this site, then come back.'
        : wanted() ? 'This browser tells you.' : 'This browser does not tell you.'
    allow.hidden = permission === 'unable' || permission === 'denied' || wanted()
    off.hidden = !wanted()
  }
  allow.addEventListener('click', async () => {
    if ((await Notification.requestPermission()) === 'granted') localStorage.setItem(KEY, 'yes')
    show()
  })
  off.addEventListener('click', () => {
    localStorage.removeItem(KEY)
    show()
  })
  show()
}

function wanted() {
  return 'Notification' in window && Notification.permission === 'granted' && localStorage.getItem(KEY) === 'yes'
}
