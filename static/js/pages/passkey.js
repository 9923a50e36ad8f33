/** Security keys and passkeys: asks the browser for a credential before a form that needs one is sent. */

import { fromJson, toJson, whyNot } from '../credentials.js'

for (const form of document.querySelectorAll('form[data-passkey]')) if (form instanceof HTMLFormElement) prepare(form)

/** @param {HTMLFormElement} form */
function prepare(form) {
  const told = form.querySelector('[data-passkey-told]')
  if (!window.PublicKeyCredential || /^[\d.]+$|:/.test(location.hostname)) {
    if (form.dataset.passkey !== 'sign-in') say(told, 'This browser allows no keys here: the studio must be called by its name and by https.')
    return
  }
  form.hidden = false
  form.addEventListener('submit', (event) => {
    const field = /** @type {HTMLInputElement} */ (form.elements.namedItem('credential'))
    if (field.value) return
    event.preventDefault()
    event.stopImmediatePropagation()
    say(told, '')
    ask(form).then(
      (credential) => {
        field.value = JSON.stringify(toJson(credential))
        form.submit()
      },
      (error) => say(told, whyNot(error)),
    )
  }, true)
}

/**
 * @param {HTMLFormElement} form
 * @returns {Promise<PublicKeyCredential>}
 */
async function ask(form) {
  if (form.dataset.passkey === 'add') {
    const { publicKey } = fromJson(JSON.parse(form.dataset.options ?? '{}'))
    const passkey = form.elements.namedItem('passwordless')
    if (passkey instanceof HTMLInputElement && passkey.checked) {
      publicKey.authenticatorSelection = { ...publicKey.authenticatorSelection, residentKey: 'required', requireResidentKey: true, userVerification: 'required' }
    }
    return /** @type {PublicKeyCredential} */ (await navigator.credentials.create({ publicKey }))
  }
  const options = form.dataset.options ? JSON.parse(form.dataset.options) : await fetched(form.action)
  return /** @type {PublicKeyCredential} */ (await navigator.credentials.get({ publicKey: fromJson(options).publicKey }))
}

/** @param {string} url */
async function fetched(url) {
  const answer = await fetch(url, { headers: { Accept: 'application/json' } })
  if (!answer.ok) throw new Error(answer.status === 429 ? 'Too many attempts. Wait a minute.' : `The studio answered ${answer.status}.`)
  return (await answer.json()).request_options
}

/**
 * @param {Element | null} place
 * @param {string} text
 */
function say(place, text) {
  if (!(place instanceof HTMLElement)) return
  place.textContent = text
  place.hidden = !text
}
