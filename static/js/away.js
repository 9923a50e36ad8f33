/** A page that cannot send: its browser is offline, or its person signed out. It says so, and keeps what was typed. */
import { isSignedOut, resume } from './live.js'
import { toast } from './toasts.js'

const ASK_MS = 3000
let offline = false

/**
 * A machine without a network may well reach a studio of its own: offline is who says so and gets no answer.
 * @param {Element | null} note
 */
async function ask(note) {
  offline = !navigator.onLine && !(await fetch('/healthz', { cache: 'no-store' }).then(() => true, () => false))
  if (note instanceof HTMLElement) note.hidden = !offline
  if (offline) setTimeout(() => ask(note), ASK_MS)
}

export function startAway() {
  const note = document.querySelector('[data-offline]')
  addEventListener('offline', () => ask(note))
  addEventListener('online', () => ask(note))
  if (!navigator.onLine) ask(note)
  document.addEventListener('submit', (event) => {
    const form = event.target
    if (!(form instanceof HTMLFormElement) || form.method === 'dialog') return
    const said = offline ? 'You are offline: nothing was sent. What you typed stays here.'
      : isSignedOut() ? 'You are signed out: nothing was sent. What you typed stays here; sign in again in another tab, and send it then.' : ''
    if (!said) return
    event.preventDefault()
    event.stopImmediatePropagation()
    toast(said, 'wrong')
  }, true)
  // Somebody who signed in again in another tab comes back to this one.
  const look = () => {
    if (!document.hidden && isSignedOut()) comeBack()
  }
  document.addEventListener('visibilitychange', look)
  addEventListener('focus', look)
}

let asking = false

/** Go on as before when the same person is signed in again; a page of somebody else is drawn anew. */
async function comeBack() {
  if (asking) return
  asking = true
  try {
    const answer = await fetch('/api/v1/me', { headers: { Accept: 'application/json' } })
    if (!answer.ok) return
    const { username } = await answer.json()
    if (username !== document.body.dataset.person) {
      location.reload()
      return
    }
    // Signing in made a new one: forms that were drawn before would be refused.
    const token = /(?:^|; )csrftoken=([^;]+)/.exec(document.cookie)?.[1]
    if (token) {
      for (const field of document.querySelectorAll('input[name="csrfmiddlewaretoken"]')) /** @type {HTMLInputElement} */ (field).value = token
      document.body.setAttribute('hx-headers', JSON.stringify({ 'X-CSRFToken': token }))
    }
    resume()
    toast('You are signed in again. This page goes on.', 'good')
  } catch {
    // No answer is no answer: the next look asks again.
  } finally {
    asking = false
  }
}
