/**
 * A real OpenID provider (the npm package oidc-provider, certified by the OpenID Foundation) for the tests: PKCE is demanded,
 * people and their claims are set from outside, and its tokens can be spoiled on their way, signed with its own key.
 *
 *   node tests/oidc/provider.mjs PORT REDIRECT_URI…
 *
 * PUT /test/people {id: claims}     POST /test/spoil {claim: value, …} for the next token; {"signature": true} breaks it
 */
import { createServer } from 'node:http'
import { SignJWT, decodeJwt, generateKeyPair, exportJWK, importJWK } from 'jose'
import Provider from 'oidc-provider'

const [port, ...redirects] = process.argv.slice(2)
const issuer = `http://127.0.0.1:${port}`
const { privateKey } = await generateKeyPair('RS256', { extractable: true })
const key = { ...(await exportJWK(privateKey)), kid: 'one', alg: 'RS256', use: 'sig' }
let people = {}
let spoil = null

const provider = new Provider(issuer, {
  clients: [{ client_id: 'studio', client_secret: 'the-secret-of-the-studio', redirect_uris: redirects, token_endpoint_auth_method: 'client_secret_post' }],
  jwks: { keys: [key] },
  cookies: { keys: ['for tests'] },
  claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name', 'preferred_username', 'groups', 'given_name', 'family_name'] },
  features: { devInteractions: { enabled: true } },
  pkce: { required: () => true },
  findAccount: (_, id) => (people[id] ? { accountId: id, claims: () => ({ sub: id, ...people[id] }) } : undefined),
})

provider.use(async (ctx, next) => {
  await next()
  if (ctx.path !== '/token' || !ctx.body?.id_token || !spoil) return
  const claims = { ...decodeJwt(ctx.body.id_token), ...spoil }
  const broken = claims.signature
  delete claims.signature
  spoil = null
  if (claims.alg === 'none') {
    const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')
    delete claims.alg
    ctx.body.id_token = `${part({ alg: 'none', kid: 'one' })}.${part(claims)}.`
    return
  }
  const signed = await new SignJWT(claims).setProtectedHeader({ alg: 'RS256', kid: 'one' }).sign(await importJWK(key, 'RS256'))
  // One sign of the signature is another: to make a second key takes longer than the studio waits on a busy machine.
  const at = signed.lastIndexOf('.') + 9
  ctx.body.id_token = broken ? signed.slice(0, at) + (signed[at] === 'A' ? 'B' : 'A') + signed.slice(at + 1) : signed
})

const answer = provider.callback()
createServer((request, response) => {
  if (!request.url.startsWith('/test/')) return answer(request, response)
  let text = ''
  request.on('data', (part) => (text += part))
  request.on('end', () => {
    if (request.url === '/test/people') people = JSON.parse(text)
    else spoil = JSON.parse(text)
    response.end('ok')
  })
}).listen(Number(port), '127.0.0.1', () => console.log(`listening at ${issuer}`))
