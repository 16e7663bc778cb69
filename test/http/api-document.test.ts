import t from 'tap'
import { isProblem, startApi } from './api-bed.ts'

void t.test('the page for people, and the document: every route of /v1, each once', async (t) => {
  const api = await startApi(t, {
    publicDocument: true,
    liveKit: {
      readRoomEvent: async () => undefined,
      takeRoomEvent: async () => 'taken',
      onRefused: () => undefined,
    },
  })
  t.equal((await api.app.inject({ url: '/docs' })).statusCode, 200)
  const answer = await api.app.inject({ url: '/openapi.json' })
  t.equal(answer.statusCode, 200)
  const document = answer.json() as { openapi: string; paths: Record<string, Record<string, Operation>> }
  t.match(document.openapi, /^3\.1/)
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      at: `${method.toUpperCase()} ${path}`,
      ...operation,
    })),
  )
  t.same(operations.map(({ at }) => at).sort(), [
    'DELETE /v1/keys/{id}',
    'DELETE /v1/projects/{id}/limits',
    'DELETE /v1/sessions/{id}',
    'DELETE /v1/webhooks/{id}',
    'GET /v1/admission',
    'GET /v1/audit',
    'GET /v1/events',
    'GET /v1/keys',
    'GET /v1/limits',
    'GET /v1/pools',
    'GET /v1/pools/{agentType}',
    'GET /v1/pools/{agentType}/history',
    'GET /v1/pools/{agentType}/rollout',
    'GET /v1/projects/{id}/limits',
    'GET /v1/sessions',
    'GET /v1/sessions/{id}',
    'GET /v1/sessions/{id}/events',
    'GET /v1/sessions/{id}/timeline',
    'GET /v1/status',
    'GET /v1/usage',
    'GET /v1/webhooks',
    'GET /v1/webhooks/{id}',
    'GET /v1/whoami',
    'PATCH /v1/webhooks/{id}',
    'POST /v1/keys',
    'POST /v1/keys/{id}/rotate',
    'POST /v1/livekit/webhook',
    'POST /v1/pools/{agentType}/freeze',
    'POST /v1/pools/{agentType}/pods/{name}/retire',
    'POST /v1/pools/{agentType}/rollout/pause',
    'POST /v1/pools/{agentType}/rollout/resume',
    'POST /v1/pools/{agentType}/rollout/undo',
    'POST /v1/pools/{agentType}/size',
    'POST /v1/pools/{agentType}/thaw',
    'POST /v1/sessions',
    'POST /v1/sessions/{id}/browser-token',
    'POST /v1/sessions/{id}/joined',
    'POST /v1/sessions/{id}/renew',
    'POST /v1/sessions/{id}/token',
    'POST /v1/sessions:batch',
    'POST /v1/webhooks',
    'PUT /v1/projects/{id}/limits',
  ])
  t.equal(new Set(operations.map(({ operationId }) => operationId)).size, operations.length)
  for (const { at, summary, responses } of operations) {
    t.ok(summary, at)
    t.ok(responses['4XX'] ?? responses['4xx'], `${at} says what a refusal looks like`)
  }
})

void t.test('without the switch, both need an API key', async (t) => {
  const api = await startApi(t)
  for (const url of [
    '/docs',
    '/docs/',
    '/docs/json',
    '/docs/static/index.css',
    '/openapi.json',
    '/%6fpenapi.json',
  ])
    isProblem(t, await api.app.inject({ url }), 'GRN_UNAUTHENTICATED', 401)
  t.equal((await api.call('GET', '/openapi.json')).statusCode, 200)
  t.equal((await api.call('GET', '/docs')).statusCode, 200)
  isProblem(t, await api.app.inject({ url: '/docsx' }), 'GRN_NOT_FOUND', 404)
})

void t.test(
  'what a retry, an unanswered open and a page of metadata come to is said in the document',
  async (t) => {
    const api = await startApi(t, { publicDocument: true })
    const { body } = await api.app.inject({ url: '/openapi.json' })
    for (const said of ['GRN_KEY_USED_UP', 'ended:unanswered', 'lease.heldBy', '1048576 bytes'])
      t.match(body, said)
  },
)

void t.test('what has a default need not be sent', async (t) => {
  const api = await startApi(t, { publicDocument: true })
  const { paths } = (await api.app.inject({ url: '/openapi.json' })).json()
  const { parameters } = paths['/v1/sessions'].get as { parameters: { name: string; required: boolean }[] }
  t.equal(parameters.find(({ name }) => name === 'limit')?.required, false)
  const body = paths['/v1/keys/{id}/rotate'].post.requestBody.content['application/json'].schema
  t.same(body.required, [])
  t.same(paths['/v1/keys'].post.requestBody.content['application/json'].schema.required, ['name', 'scopes'])
})

interface Operation {
  readonly operationId: string
  readonly summary: string
  readonly responses: Record<string, unknown>
}
