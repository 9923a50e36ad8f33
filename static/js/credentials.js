/**
 * What WebAuthn exchanges, between JSON (base64url) and the bytes that browsers take: https://www.w3.org/TR/webauthn-3/#sctn-parseCreationOptionsFromJSON
 * Own source, as long as browsers without `PublicKeyCredential.parse…FromJSON` and `toJSON` are in use.
 */

const BYTES = new Set(['challenge', 'id'])

/**
 * Return options with bytes in place of base64url: the challenge, and the ids of credentials and of the person.
 * @param {any} options
 * @returns {any}
 */
export function fromJson(options) {
  if (Array.isArray(options)) return options.map(fromJson)
  if (options === null || typeof options !== 'object') return options
  return Object.fromEntries(
    Object.entries(options)
      // `rp.id` is a name, not bytes.
      .map(([name, value]) => [name, BYTES.has(name) && typeof value === 'string' ? bytes(value) : name === 'rp' ? value : fromJson(value)])
      .filter(([, value]) => value !== null),
  )
}

/**
 * Return a credential as the studio reads it.
 * @param {any} credential
 */
export function toJson(credential) {
  const { response } = credential
  const told = /** @type {Record<string, any>} */ ({})
  for (const name of ['clientDataJSON', 'attestationObject', 'authenticatorData', 'signature', 'userHandle']) {
    if (response[name]) told[name] = text(response[name])
  }
  if (response.getTransports) told.transports = response.getTransports()
  return {
    id: credential.id,
    rawId: text(credential.rawId),
    type: credential.type,
    authenticatorAttachment: credential.authenticatorAttachment ?? null,
    clientExtensionResults: credential.getClientExtensionResults(),
    response: told,
  }
}

/**
 * Return in words why there is no credential.
 * @param {any} error
 */
export function whyNot(error) {
  switch (error?.name) {
    case 'NotAllowedError':
      return 'Nothing was confirmed in time, or it was cancelled.'
    case 'InvalidStateError':
      return 'This key is already added.'
    case 'SecurityError':
      return 'This browser allows no keys at this address: the studio must be called by its name and by https.'
    case 'NotSupportedError':
      return 'This key cannot do what is needed.'
    default:
      return error?.message || 'The key did not answer.'
  }
}

/** @param {string} base64url */
function bytes(base64url) {
  return Uint8Array.from(atob(base64url.replace(/-/g, '+').replace(/_/g, '/')), (letter) => letter.charCodeAt(0)).buffer
}

/** @param {ArrayBuffer} buffer */
function text(buffer) {
  let letters = ''
  for (const byte of new Uint8Array(buffer)) letters += String.fromCharCode(byte)
  return btoa(letters).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '')
}
