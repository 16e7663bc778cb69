import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose'
import t from 'tap'
import { createOidc } from '../../src/roles/oidc.ts'
import { startApi } from '../http/api-bed.ts'
import { keptLog } from '../support/kept-log.ts'

/** A real issuer over HTTP, whose answers a test may spoil. */
const good = await generateKeyPair('RS256')
const foreign = await generateKeyPair('RS256')
const jwks = JSON.stringify({ keys: [{ ...(await exportJWK(good.publicKey)), kid: 'k1', alg: 'RS256' }] })
const spoiled: { keys?: 'hangs' | 'grows' | 'moves' | undefined } = {}
const server = createServer((request, response) => {
  if (request.url === '/moved') return response.end(jwks)
  if (request.url !== '/keys') return response.end(JSON.stringify({ issuer, jwks_uri: `${issuer}/keys` }))
  if (spoiled.keys === 'hangs') return response.write('{')
  if (spoiled.keys === 'grows') return response.end(jwks.replace('{', `{"x":"${'x'.repeat(1024 * 1024)}",`))
  if (spoiled.keys === 'moves') return response.writeHead(302, { location: '/moved' }).end()
  return response.end(jwks)
}).listen(0, '127.0.0.1')
await once(server, 'listening')
t.teardown(() => {
  server.close()
  server.closeAllConnections()
})
const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

const settings = {
  GREENROOM_OIDC_ISSUER: issuer,
  GREENROOM_OIDC_AUDIENCE: 'greenroom',
  GREENROOM_OIDC_PROJECT_CLAIM: 'project',
  GREENROOM_OIDC_SCOPES_CLAIM: 'groups',
  GREENROOM_OIDC_SCOPES: 'staff=sessions:read sessions:open,ops=admin',
}
const claims = { sub: 'ann', aud: 'greenroom', iss: issuer, project: 'a', groups: ['staff', 'other'] }

async function tokenOf(
  changed: Record<string, unknown> = {},
  key = good.privateKey,
  header = {},
): Promise<string> {
  const exp = Math.floor(Date.now() / 1_000) + 600
  const payload = { exp, ...claims, ...changed } as JWTPayload
  return new SignJWT(payload).setProtectedHeader({ alg: 'RS256', kid: 'k1', ...header }).sign(key)
}

async function start(t: Parameters<typeof startApi>[0], overrides: Partial<typeof settings> = {}) {
  const { logger, lines } = keptLog()
  const oidc = createOidc({ ...settings, ...overrides }, logger)
  if (!oidc) throw new Error('no issuer')
  const api = await startApi(t, { identify: oidc.identify, logger })
  const used: string[] = []
  return {
    ...api,
    oidc,
    lines,
    used,
    async get(token: string, path = '/v1/sessions') {
      used.push(token)
      const answer = await api.call('GET', path, { headers: { authorization: `Bearer ${token}` } })
      return { status: answer.statusCode, ...answer.json<{ code?: string; detail?: string }>() }
    },
  }
}

void t.test('a token is good for the scopes and the project that its claims name', async (t) => {
  const api = await start(t)
  t.match(await api.get(await tokenOf()), { status: 200 })
  t.match(api.listed.at(-1), { projectId: 'a' })
  t.match(await api.get(await tokenOf(), '/v1/keys'), { status: 403, detail: /admin/ })
  t.match(await api.get(await tokenOf({ groups: 'ops' }), '/v1/audit'), { status: 200 })
  t.match(await api.get(await tokenOf({ groups: 'sessions:read other' })), { status: 200 })
  t.match(await api.oidc.identify(await tokenOf()), { kind: 'oidc', id: `${issuer} ann`, projectId: 'a' })
  for (const project of [undefined, '', 7, 'x'.repeat(201), 'a\0b', ['a']])
    t.match(await api.get(await tokenOf({ project })), {
      status: 403,
      code: 'GRN_FORBIDDEN',
      detail: /names no project/,
    })
  for (const groups of [undefined, [], ['nobody'], { staff: true }, 'constructor'])
    t.match(await api.get(await tokenOf({ groups })), { status: 403, detail: /grants no scope/ })
})

void t.test('every other token is refused in the same words, and no log holds one', async (t) => {
  const api = await start(t)
  const now = Math.floor(Date.now() / 1_000)
  const genuine = await tokenOf()
  const [head = '', body = '', signature = ''] = genuine.split('.')
  const encoded = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const hs256 = `${encoded({ alg: 'HS256', kid: 'k1' })}.${body}`
  const bad: Record<string, string> = {
    expired: await tokenOf({ exp: now - 31 }),
    'without an end': await tokenOf({ exp: undefined }),
    'not yet': await tokenOf({ nbf: now + 120 }),
    'without a subject': await tokenOf({ sub: undefined }),
    'for another audience': await tokenOf({ aud: 'grafana' }),
    'for no audience': await tokenOf({ aud: undefined }),
    'of another issuer': await tokenOf({ iss: 'https://elsewhere' }),
    'signed by a foreign key': await tokenOf({}, foreign.privateKey),
    'with an unknown key id': await tokenOf({}, foreign.privateKey, { kid: 'k2' }),
    none: `${encoded({ alg: 'none' })}.${body}.`,
    'none with a signature': `${encoded({ alg: 'none', kid: 'k1' })}.${body}.${signature}`,
    'signed with the public key as a secret': `${hs256}.${createHmac('sha256', jwks).update(hs256).digest('base64url')}`,
    'with another body': `${head}.${encoded({ ...claims, exp: now + 600, groups: 'ops' })}.${signature}`,
    'cut short': genuine.slice(0, -4),
    'with an unknown critical header': await tokenOf({}, good.privateKey, { crit: ['x'], x: 1 }).catch(
      () => 'x.y.z',
    ),
    oversized: await tokenOf({ groups: ['staff', 'x'.repeat(8_192)] }),
    'no JSON': 'a.b.c',
  }
  const answers = new Set<string>()
  for (const [what, token] of Object.entries(bad)) {
    const { status, code, detail } = await api.get(token)
    t.match({ status, code }, { status: 401, code: 'GRN_UNAUTHENTICATED' }, what)
    answers.add(`${detail}`)
  }
  t.equal(answers.size, 1)
  t.match(await api.get(genuine), { status: 200 })
  const log = api.lines.join('')
  for (const token of api.used)
    for (const part of token.split('.')) if (part.length > 20) t.notMatch(log, part)
})

void t.test(
  'an issuer whose keys hang, grow or move stops a token it vouched for before from nothing',
  async (t) => {
    const api = await start(t)
    await api.oidc.look()
    for (const fault of ['hangs', 'grows', 'moves'] as const) {
      spoiled.keys = fault
      const late = await start(t)
      t.match(
        await late.get(await tokenOf()),
        { status: 503, code: 'GRN_ISSUER_UNAVAILABLE' },
        `first read ${fault}`,
      )
      t.match(await api.get(await tokenOf({ sub: fault })), { status: 200 })
      t.match(late.lines.join(''), /keys of the issuer could not be read/)
    }
    spoiled.keys = undefined
  },
)

void t.test('without a project claim in the settings a token is good for every project', async (t) => {
  const { GREENROOM_OIDC_PROJECT_CLAIM: _claim, ...without } = settings
  const { logger } = keptLog()
  t.match(await createOidc(without, logger)?.identify(await tokenOf()), { projectId: undefined })
  const { GREENROOM_OIDC_ISSUER: _issuer, ...none } = settings
  t.equal(createOidc(none, logger), undefined)
})
