import t from 'tap'
import { apiKey, browserTokens, knownId, startApi } from './api-bed.ts'

const origin = 'https://app.example'
const path = `/v1/sessions/${knownId}`
const preflight = {
  'access-control-request-method': 'POST',
  'access-control-request-headers': 'authorization',
}
const corsHeaders = (headers: object) =>
  Object.keys(headers).filter((name) => name.startsWith('access-control'))

void t.test('without the setting no origin is told anything', async (t) => {
  const api = await startApi(t)
  for (const method of ['GET', 'OPTIONS']) {
    const { headers } = await api.call(method, path, { headers: { origin, ...preflight } })
    t.same(corsHeaders(headers), [])
    t.notOk(headers.vary)
  }
})

void t.test(
  'a page of an allowed origin may ask, without a key for the preflight, and reads refusals too',
  async (t) => {
    const api = await startApi(t, { origins: [origin, 'http://localhost:5173'] })
    for (const url of [path, '/v1/sessions', '/v1/nothing']) {
      const asked = await api.app.inject({ method: 'OPTIONS', url, headers: { origin, ...preflight } })
      t.equal(asked.statusCode, 204)
      t.match(asked.headers, {
        'access-control-allow-origin': origin,
        'access-control-allow-methods': 'DELETE, GET, POST',
        'access-control-allow-headers': /authorization.*idempotency-key/,
        'access-control-max-age': '600',
        vary: /^Origin, Access-Control-Request-Method/,
      })
      t.notOk('access-control-allow-credentials' in asked.headers)
    }
    const { token } = browserTokens.mint(knownId)
    for (const [authorization, status] of [
      [`Bearer ${token}`, 200],
      [`Bearer ${apiKey}`, 200],
      ['Bearer nobody', 401],
    ] as const) {
      const answer = await api.call('GET', path, { headers: { authorization, origin } })
      t.equal(answer.statusCode, status)
      t.match(answer.headers, {
        'access-control-allow-origin': origin,
        'access-control-expose-headers': /retry-after/,
        vary: 'Origin',
      })
    }
  },
)

void t.test('other origins, and what only looks like one that is allowed, are told nothing', async (t) => {
  const api = await startApi(t, { origins: [origin] })
  for (const other of [
    'https://app.example.evil',
    'https://evil.app.example',
    'http://app.example',
    'https://app.example:8443',
    'https://APP.example',
    'null',
    '*',
    '',
  ]) {
    const asked = await api.app.inject({
      method: 'OPTIONS',
      url: path,
      headers: { origin: other, ...preflight },
    })
    t.same(corsHeaders(asked.headers), [], other)
    t.equal(asked.statusCode, 401)
    const answer = await api.call('GET', path, { headers: { origin: other } })
    t.same(corsHeaders(answer.headers), [])
    t.equal(answer.headers.vary, 'Origin', 'no cache may give it to the allowed one')
  }
  const bare = await api.call('GET', path)
  t.equal(bare.headers.vary, 'Origin')
})

void t.test(
  "a preflight names the methods of the routes that take a browser's token, and no others",
  async (t) => {
    const api = await startApi(t, { origins: [origin] })
    const { token } = browserTokens.mint(knownId)
    const asked = await api.app.inject({ method: 'OPTIONS', url: path, headers: { origin, ...preflight } })
    const named = String(asked.headers['access-control-allow-methods']).split(', ')
    const document = JSON.parse((await api.call('GET', '/openapi.json')).body) as {
      paths: Record<string, Record<string, object>>
    }
    const taken = new Set<string>()
    for (const [route, operations] of Object.entries(document.paths).filter(([at]) =>
      at.startsWith('/v1/'),
    )) {
      for (const method of Object.keys(operations).map((name) => name.toUpperCase())) {
        const url = route.replace('{id}', knownId).replaceAll(/\{[^}]+\}/g, 'x')
        // A stream would not end: only who may have it is asked here.
        const headers = { authorization: `Bearer ${token}`, 'last-event-id': 'x' }
        const answer = await api.call(method, url, { headers, body: method === 'GET' ? undefined : {} })
        if (answer.statusCode !== 401) taken.add(method)
      }
    }
    t.same(named, [...taken].toSorted())
    t.notOk(named.includes('PUT') || named.includes('PATCH'))
  },
)

void t.test('an OPTIONS request that is no preflight is answered as ever', async (t) => {
  const api = await startApi(t, { origins: [origin] })
  const { statusCode } = await api.call('OPTIONS', path, { headers: { origin } })
  t.not(statusCode, 204)
})
