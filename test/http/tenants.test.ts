import { randomUUID } from 'node:crypto'
import t from 'tap'
import { agentType } from '../sessions/open-bed.ts'
import { startOpenServers } from '../sessions/open-session-bed.ts'
import { callerOf, startTenantApi, type TenantApi } from './tenant-bed.ts'

/** Projects meet nowhere: each route is tried with another project's key, over real stores. */

const { startBed } = await startOpenServers(t)
const callers = {
  'key-of-a': callerOf('a'),
  'key-of-b': callerOf('b'),
  'key-of-all': callerOf(undefined),
  'reader-of-a': callerOf('a', ['sessions:read']),
}

async function start(t: Parameters<typeof startBed>[0], pods = 4) {
  return startTenantApi(t, await startBed(t, pods), callers)
}

type Expectation =
  /** Another project's id is answered exactly as one that no session ever had. */
  | 'as unknown'
  /** Shows or takes what is the caller's own; a test of its own says how. */
  | 'own only'
  /** What all projects share and no session shows in. */
  | 'shared'
  /** Another project's, or for credentials of every project. */
  | 'refused'

/** Every route of the API must be here: a new one without a line fails. */
const routes: Readonly<Record<string, Expectation>> = {
  'POST /v1/sessions': 'own only',
  'POST /v1/sessions:batch': 'own only',
  'GET /v1/sessions': 'own only',
  'GET /v1/sessions/{id}': 'as unknown',
  'DELETE /v1/sessions/{id}': 'as unknown',
  'POST /v1/sessions/{id}/renew': 'as unknown',
  'POST /v1/sessions/{id}/joined': 'as unknown',
  'POST /v1/sessions/{id}/token': 'as unknown',
  'GET /v1/sessions/{id}/events': 'as unknown',
  'GET /v1/events': 'refused',
  'GET /v1/pools': 'shared',
  'GET /v1/pools/{agentType}': 'shared',
  'GET /v1/pools/{agentType}/rollout': 'shared',
  'POST /v1/pools/{agentType}/rollout/undo': 'refused',
  'POST /v1/pools/{agentType}/rollout/pause': 'refused',
  'POST /v1/pools/{agentType}/rollout/resume': 'refused',
  'GET /v1/status': 'shared',
  'POST /v1/pools/{agentType}/freeze': 'refused',
  'POST /v1/pools/{agentType}/thaw': 'refused',
  'POST /v1/pools/{agentType}/size': 'refused',
  'POST /v1/pools/{agentType}/pods/{name}/retire': 'refused',
  'GET /v1/admission': 'refused',
  'GET /v1/pools/{agentType}/history': 'shared',
  'GET /v1/sessions/{id}/timeline': 'as unknown',
  'GET /v1/usage': 'refused',
  'POST /v1/webhooks': 'own only',
  'GET /v1/webhooks': 'own only',
  'GET /v1/webhooks/{id}': 'as unknown',
  'PATCH /v1/webhooks/{id}': 'as unknown',
  'DELETE /v1/webhooks/{id}': 'as unknown',
  'POST /v1/keys': 'own only',
  'POST /v1/sessions/{id}/browser-token': 'as unknown',
  'GET /v1/limits': 'refused',
  'GET /v1/projects/{id}/limits': 'refused',
  'PUT /v1/projects/{id}/limits': 'refused',
  'DELETE /v1/projects/{id}/limits': 'refused',
  'GET /v1/keys': 'own only',
  'GET /v1/audit': 'own only',
  'GET /v1/whoami': 'own only',
  'DELETE /v1/keys/{id}': 'as unknown',
  'POST /v1/keys/{id}/rotate': 'as unknown',
}

const bodies: Readonly<Record<string, object>> = {
  '/v1/keys': { name: 'of b', scopes: ['sessions:read'] },
  '/v1/keys/{id}/rotate': {},
  '/v1/webhooks': { url: 'https://b.example/events' },
  '/v1/webhooks/{id}': { after: 0 },
  '/v1/projects/{id}/limits': { maxSessions: 1 },
  '/v1/pools/{agentType}/size': { min: 1 },
  '/v1/sessions/{id}/browser-token': {},
  '/v1/sessions/{id}/renew': { epoch: 1 },
  '/v1/sessions/{id}/joined': { epoch: 1 },
}
const queries: Readonly<Record<string, readonly string[]>> = {
  'GET /v1/sessions/{id}': ['', '?waitFor=ENDED&waitMs=60000'],
  'DELETE /v1/sessions/{id}': ['', '?epoch=1', '?epoch=7', '?wait=true'],
  // Without a project it follows its own: event-routes.test.ts.
  'GET /v1/events': ['?projectId=a'],
  'GET /v1/usage': ['?from=2026-01-01&to=2026-01-02'],
}

function routesOf({ app }: TenantApi): string[] {
  const { paths = {} } = app.swagger() as { paths?: Record<string, object> }
  return Object.entries(paths)
    .filter(([path]) => path.startsWith('/v1/'))
    .flatMap(([path, methods]) => Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`))
}

void t.test("each route, with another project's key", async (t) => {
  const api = await start(t)
  t.same(routesOf(api).sort(), Object.keys(routes).sort(), 'every route says what another project gets')
  const opened = await api.open('key-of-a')
  const id = String(opened.body.id)
  const before = await api.call('key-of-a', 'GET', `/v1/sessions/${id}`)
  const key = { name: 'of a', scopes: ['admin'] }
  const keyId = String((await api.call('key-of-a', 'POST', '/v1/keys', { body: key })).body.id)
  const webhook = { url: 'https://a.example/events' }
  const webhookId = String((await api.call('key-of-a', 'POST', '/v1/webhooks', { body: webhook })).body.id)

  async function ask(route: string, whose: 'foreign' | 'unknown', query: string) {
    const [method = '', path = ''] = route.split(' ')
    const foreign = path.startsWith('/v1/keys') ? keyId : path.startsWith('/v1/webhooks') ? webhookId : id
    const unknown = path.startsWith('/v1/keys') ? '0'.repeat(12) : randomUUID()
    const asked = whose === 'foreign' ? foreign : unknown
    const url = path.replace('{id}', asked).replace('{agentType}', agentType) + query
    const answer = await api.call('key-of-b', method, url, { body: bodies[path] })
    const text = answer.text.replaceAll(asked, 'ID').replace(/"requestId":"[^"]*"/, '')
    return { status: answer.status, text }
  }

  for (const [route, expected] of Object.entries(routes)) {
    for (const query of queries[route] ?? ['']) {
      const answer = await ask(route, 'foreign', query)
      t.notMatch(answer.text, /127\.77|"projectId":"a"/, `${route}${query} shows nothing of project a`)
      if (expected === 'refused') t.match(answer, { status: 403, text: /GRN_FORBIDDEN/ }, route)
      if (expected !== 'as unknown') continue
      t.same(answer, await ask(route, 'unknown', query), `${route}${query}`)
      if (!route.endsWith('/joined'))
        t.match(answer, { status: 404, text: /GRN_(SESSION|KEY|WEBHOOK)_NOT_FOUND/ }, route)
    }
  }
  const after = await api.call('key-of-a', 'GET', `/v1/sessions/${id}`)
  t.match(after, { status: 200, body: { status: 'ACTIVE', projectId: 'a' } })
  t.same(after, before, 'nothing of it has changed, its lease included')
  t.match(await api.call('key-of-a', 'GET', '/v1/keys'), { body: { keys: [{ id: keyId }] } })
  t.match(await api.call('key-of-a', 'GET', '/v1/webhooks'), { body: { webhooks: [webhook] } })
  const ofB = {
    keys: [{ name: 'of b', projectId: 'b' }],
    webhooks: [{ url: 'https://b.example/events', projectId: 'b' }],
  }
  for (const kind of ['keys', 'webhooks'] as const) {
    const { body } = await api.call('key-of-b', 'GET', `/v1/${kind}`)
    t.match(body, { [kind]: ofB[kind] })
    t.equal((body[kind] as unknown[]).length, ofB[kind].length, `its own ${kind} alone`)
  }
})

void t.test('its own key may do all of it, and so may a key of every project', async (t) => {
  const api = await start(t)
  for (const key of ['key-of-a', 'key-of-all']) {
    const id = String((await api.open('key-of-a')).body.id)
    const at = `/v1/sessions/${id}`
    t.match(await api.call(key, 'GET', at), { status: 200 })
    t.match(await api.call(key, 'POST', `${at}/renew`, { body: { epoch: 1 } }), {
      status: 200,
      body: { lease: { extended: true } },
    })
    t.match(await api.call(key, 'POST', `${at}/token`), { status: 200, body: { livekit: {} } })
    t.match(await api.call(key, 'DELETE', at), { status: 202, body: { status: 'ENDING' } })
  }
})

void t.test('an open goes to the project of its key', async (t) => {
  const api = await start(t)
  t.match(await api.open('key-of-a'), { status: 201, body: { projectId: 'a' } })
  t.match(await api.open('key-of-a', { projectId: 'a' }), { status: 201, body: { projectId: 'a' } })
  const other = await api.open('key-of-a', { projectId: 'b' })
  t.match(other, { status: 403, body: { code: 'GRN_FORBIDDEN', detail: /bound to one project/ } })
  t.match(await api.open('reader-of-a'), { status: 403, body: { detail: /sessions:open/ } })
  t.match(await api.open('key-of-all', { projectId: 'b' }), { status: 201, body: { projectId: 'b' } })
})

void t.test("a batch opens sessions of its caller's project, and of no other", async (t) => {
  const api = await start(t, 6)
  const batch = (key: string, sessions: readonly object[], headers = {}) =>
    api.call(key, 'POST', '/v1/sessions:batch', {
      body: { sessions: sessions.map((more) => ({ agentType, onEmpty: 'fail', ...more })) },
      headers: { 'idempotency-key': 'team', ...headers },
    })
  t.match(await batch('reader-of-a', [{}]), { status: 403, body: { detail: /sessions:open/ } })
  t.match(await batch('key-of-a', [{}, { projectId: 'b' }]), { status: 403, text: /GRN_FORBIDDEN/ })
  const ofA = await batch('key-of-a', [{}, { projectId: 'a' }])
  t.match(ofA, {
    status: 201,
    body: { opened: 2, results: [{ session: { projectId: 'a' } }, { session: { projectId: 'a' } }] },
  })
  const ofB = await batch('key-of-b', [{}, {}])
  t.match(ofB, { status: 201, body: { results: [{ session: { projectId: 'b' } }, {}] } })
  const idsOf = ({ body }: typeof ofA) =>
    (body.results as { session: { id: string } }[]).map(({ session }) => session.id)
  t.equal(new Set([...idsOf(ofA), ...idsOf(ofB)]).size, 4, 'one key in two projects is two batches')
  await api.trail.flush()
  const { body } = await api.call('key-of-a', 'GET', '/v1/audit')
  const audited = (body.entries as { action: string; subject: string }[])
    .filter(({ action }) => action === 'session.open')
    .map(({ subject }) => subject)
  t.same(audited.sort(), idsOf(ofA).sort(), 'each session is in the audit log')
})

void t.test('one Idempotency-Key in two projects means two sessions in two rooms', async (t) => {
  const api = await start(t)
  const header = { 'idempotency-key': 'the-same-in-both' }
  const [a, b, all] = [
    await api.open('key-of-a', {}, header),
    await api.open('key-of-b', {}, header),
    await api.open('key-of-all', {}, header),
  ]
  t.same([a.status, b.status, all.status], [201, 201, 201])
  t.equal(new Set([a, b, all].map(({ body }) => body.id)).size, 3)
  t.equal(
    new Set([a, b, all].map(({ body }) => body.roomName)).size,
    3,
    'the room holds the id of the session',
  )
  const again = await api.open('key-of-a', {}, header)
  t.match(again, { status: 200, body: { id: a.body.id } })
  const named = await api.open('key-of-all', { projectId: 'a' }, header)
  t.match(named, { status: 200, body: { id: a.body.id } }, 'a key of every project names the project')
})

void t.test('a list holds the sessions of its own project', async (t) => {
  const api = await start(t, 6)
  for (const key of ['key-of-a', 'key-of-b', 'key-of-a', 'key-of-all', 'key-of-a']) await api.open(key)
  const list = async (key: string, query = '') => {
    const { status, body } = await api.call(key, 'GET', `/v1/sessions${query}`)
    const { sessions = [], nextCursor = '' } = body as {
      sessions?: { projectId?: string }[]
      nextCursor?: string
    }
    return { status, projects: sessions.map(({ projectId }) => projectId), nextCursor, code: body.code }
  }
  t.match(await list('key-of-a'), { projects: ['a', 'a', 'a'] })
  t.match(await list('reader-of-a', '?projectId=a&status=ACTIVE'), { projects: ['a', 'a', 'a'] })
  t.match(await list('key-of-a', '?projectId=b'), { status: 403, code: 'GRN_FORBIDDEN' })
  t.match(await list('key-of-all', '?projectId=b'), { projects: ['b'] })
  t.equal((await list('key-of-all')).projects.length, 5)
  const first = await list('key-of-a', '?limit=2')
  t.match(await list('key-of-a', `?limit=2&cursor=${first.nextCursor}`), { projects: ['a'], nextCursor: '' })
  const foreign = await list('key-of-b', `?cursor=${first.nextCursor}`)
  t.match(foreign, { status: 400, code: 'GRN_INVALID_REQUEST' }, 'a cursor of another project')
  const all = await list('key-of-all', '?limit=2')
  t.match(await list('key-of-b', `?cursor=${all.nextCursor}`), { status: 400 }, 'a cursor of everybody')
})

void t.test('renewals of two projects in one group', async (t) => {
  const api = await start(t)
  const [a, b] = [await api.open('key-of-a'), await api.open('key-of-b')].map(({ body }) => String(body.id))
  const renew = async (key: string, id = '') =>
    (await api.call(key, 'POST', `/v1/sessions/${id}/renew`, { body: { epoch: 1 } })).status
  const asked = Array.from({ length: 20 }, () => [
    renew('key-of-a', a),
    renew('key-of-b', a),
    renew('key-of-all', a),
    renew('key-of-a', b),
  ])
  const answers = await Promise.all(asked.map((group) => Promise.all(group)))
  for (const answer of answers) t.same(answer, [200, 404, 200, 404])
})
