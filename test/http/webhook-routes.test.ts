import t from 'tap'
import type { Caller } from '../../src/domain/caller.ts'
import { createWebhookSigner } from '../../src/sessions/webhook-signer.ts'
import { createPostgresEventWebhooks } from '../../src/stores/postgres-event-webhooks.ts'
import { postgresFor, startDatabase } from '../stores/store-servers.ts'
import { isProblem, startApi, unknownId } from './api-bed.ts'

const database = await startDatabase(t)
const { secretOf } = createWebhookSigner('a secret of at least thirty-two bytes')

const callers: Readonly<Record<string, Caller>> = Object.fromEntries(
  [
    { id: 'of-checkout', projectId: 'checkout', scopes: ['admin'] },
    { id: 'of-search', projectId: 'search', scopes: ['admin'] },
    { id: 'of-all', projectId: undefined, scopes: ['admin'] },
    { id: 'reader', projectId: 'checkout', scopes: ['sessions:read', 'sessions:open'] },
  ].map(({ id, projectId, scopes }) => [
    id,
    { kind: 'api-key', id, projectId, scopes: new Set(scopes) } as Caller,
  ]),
)

async function startWebhooks(t: Parameters<typeof startApi>[0]) {
  const postgres = await postgresFor(t, database)
  const api = await startApi(t, {
    eventWebhooks: createPostgresEventWebhooks(postgres),
    webhookSecretOf: secretOf,
    identify: (bearer) => callers[bearer],
  })
  const as = (who: string) => (method: string, url: string, body?: unknown) =>
    api.call(method, url, { body, headers: { authorization: `Bearer ${who}` } })
  return { as, postgres }
}

const url = 'https://example.com/hooks/greenroom'

void t.test(
  'made, listed, read, changed and deleted; its secret is shown once and stored nowhere',
  async (t) => {
    const { as, postgres } = await startWebhooks(t)
    await postgres.durable.query('UPDATE event_numbers SET last = 77')
    const call = as('of-checkout')
    const made = await call('POST', '/v1/webhooks', { url, types: ['session.ended'] })
    t.equal(made.statusCode, 201)
    const { id, secret } = made.json() as { id: string; secret: string }
    t.equal(made.headers.location, `/v1/webhooks/${id}`)
    t.match(made.json(), { url, types: ['session.ended'], projectId: 'checkout', after: 77, state: 'active' })
    t.match(secret, /^whsec_[A-Za-z0-9+/]{43}=$/)
    const read = await call('GET', `/v1/webhooks/${id}`)
    t.equal(read.statusCode, 200)
    t.notMatch(read.body, /whsec/)
    t.match((await call('GET', '/v1/webhooks')).json(), { webhooks: [{ id }] })
    const changed = await call('PATCH', `/v1/webhooks/${id}`, { after: 5, types: ['session.active'] })
    t.match(changed.json(), { after: 5, types: ['session.active'], url })
    const { rows } = await postgres.durable.query('SELECT event_webhooks::text AS row FROM event_webhooks')
    t.notMatch(JSON.stringify(rows), secret.slice(6))
    t.equal((await call('DELETE', `/v1/webhooks/${id}`)).statusCode, 204)
    isProblem(t, await call('DELETE', `/v1/webhooks/${id}`), 'GRN_WEBHOOK_NOT_FOUND', 404)
    const whole = await as('of-all')('POST', '/v1/webhooks', { url, after: 0 })
    t.match(whole.json(), { after: 0 })
    t.notOk('projectId' in (whole.json() as object))
  },
)

void t.test("another project's webhook is not there, and nobody makes one for it", async (t) => {
  const { as } = await startWebhooks(t)
  const { id } = (await as('of-checkout')('POST', '/v1/webhooks', { url })).json() as { id: string }
  const stranger = as('of-search')
  for (const one of [id, unknownId, 'x', '%00']) {
    const path = `/v1/webhooks/${one}`
    isProblem(t, await stranger('GET', path), 'GRN_WEBHOOK_NOT_FOUND', 404)
    isProblem(t, await stranger('PATCH', path, { active: true }), 'GRN_WEBHOOK_NOT_FOUND', 404)
    isProblem(t, await stranger('DELETE', path), 'GRN_WEBHOOK_NOT_FOUND', 404)
  }
  t.same((await stranger('GET', '/v1/webhooks')).json(), { webhooks: [] })
  isProblem(t, await stranger('POST', '/v1/webhooks', { url, projectId: 'checkout' }), 'GRN_FORBIDDEN', 403)
  t.match((await as('of-all')('GET', '/v1/webhooks')).json(), { webhooks: [{ id }] })
  for (const [method, path] of [
    ['POST', '/v1/webhooks'],
    ['GET', '/v1/webhooks'],
    ['GET', `/v1/webhooks/${id}`],
    ['PATCH', `/v1/webhooks/${id}`],
    ['DELETE', `/v1/webhooks/${id}`],
  ] as const)
    isProblem(t, await as('reader')(method, path, method === 'GET' ? undefined : {}), 'GRN_FORBIDDEN', 403)
})

void t.test('bad input, and too many', async (t) => {
  const { as } = await startWebhooks(t)
  const call = as('of-checkout')
  for (const bad of [
    {},
    { url: 'ftp://example.com' },
    { url: 'https://user:pass@example.com' },
    { url: 'https://example.com/#x' },
    { url: 'example.com' },
    { url: 'javascript:alert(1)' },
    { url: `https://example.com/${'x'.repeat(2_000)}` },
    { url, types: [] },
    { url, types: ['session.born'] },
    { url, after: -1 },
    { url, after: 1.5 },
    { url, after: 2 ** 53 },
    { url, secret: 'mine' },
  ])
    isProblem(t, await call('POST', '/v1/webhooks', bad), 'GRN_INVALID_REQUEST', 400)
  for (let n = 0; n < 20; n += 1) t.equal((await call('POST', '/v1/webhooks', { url })).statusCode, 201)
  isProblem(t, await call('POST', '/v1/webhooks', { url }), 'GRN_WEBHOOKS_FULL', 409)
  t.equal(
    (await as('of-search')('POST', '/v1/webhooks', { url })).statusCode,
    201,
    'others are not concerned',
  )
})
