import t from 'tap'
import { GreenroomError } from '../../src/errors.ts'
import { agentType } from '../sessions/open-bed.ts'
import { startOpenServers } from '../sessions/open-session-bed.ts'
import { everyTable } from '../support/secret-search.ts'
import { startApi } from './api-bed.ts'
import { callerOf, startTenantApi } from './tenant-bed.ts'

const { startBed } = await startOpenServers(t)
const callers = {
  'key-of-a': callerOf('a'),
  'key-of-b': callerOf('b'),
  'key-of-all': callerOf(undefined),
  'reader-of-a': callerOf('a', ['sessions:read']),
}

interface Shown {
  readonly id: string
  readonly by: { readonly id: string }
  readonly action: string
  readonly subject: string
  readonly projectId?: string
}

void t.test('who opened, renewed and ended, and who changed keys', async (t) => {
  const bed = await startBed(t, 4)
  const api = await startTenantApi(t, bed, callers)
  async function audit(key: string, query = '') {
    await api.trail.flush()
    const { status, body } = await api.call(key, 'GET', `/v1/audit${query}`)
    const { entries = [], nextCursor } = body as { entries?: Shown[]; nextCursor?: string }
    return {
      status,
      entries,
      nextCursor,
      done: entries.map(({ by, action }) => `${by.id} ${action}`).reverse(),
    }
  }
  const headers = { 'idempotency-key': 'one' }
  const secrets = { token: 'a-just-in-time-secret' }
  const id = String((await api.open('key-of-a', { secrets }, headers)).body.id)
  await api.open('key-of-a', { secrets }, headers)
  for (const key of ['key-of-a', 'key-of-all', 'key-of-a', 'key-of-all', 'key-of-b'])
    await api.call(key, 'POST', `/v1/sessions/${id}/renew`, { body: { epoch: 1 } })
  await api.call('key-of-b', 'DELETE', `/v1/sessions/${id}`)
  await api.call('key-of-all', 'DELETE', `/v1/sessions/${id}`)
  const own = await audit('key-of-a')
  t.same(own.done, ['a session.open', 'a session.renew', 'all session.renew', 'all session.end'])
  for (const entry of own.entries)
    t.match(entry, { subject: id, projectId: 'a', at: /Z$/, by: { kind: 'api-key' } })

  const key = (await api.call('key-of-all', 'POST', '/v1/keys', { body: { name: 'k', scopes: ['admin'] } }))
    .body
  await api.call('key-of-all', 'POST', `/v1/keys/${String(key.id)}/rotate`, { body: {} })
  await api.call('key-of-all', 'DELETE', `/v1/keys/${String(key.id)}`)
  await api.call('key-of-b', 'DELETE', `/v1/keys/${String(key.id)}`)
  const limits = '/v1/projects/c/limits'
  await api.call('key-of-all', 'PUT', limits, { body: { maxSessions: 1 } })
  await api.call('key-of-all', 'DELETE', limits)
  await api.call('key-of-all', 'DELETE', limits)
  const webhook = (
    await api.call('key-of-all', 'POST', '/v1/webhooks', { body: { url: 'https://c.example' } })
  ).body
  await api.call('key-of-all', 'PATCH', `/v1/webhooks/${String(webhook.id)}`, { body: { after: 0 } })
  // A DELETE of a webhook is answered with nothing, which this bed reads as JSON.
  for (let n = 0; n < 2; n += 1)
    await api.call('key-of-all', 'DELETE', `/v1/webhooks/${String(webhook.id)}`).catch(() => undefined)
  const all = await audit('key-of-all')
  const configured = ['limits.set', 'limits.remove', 'webhook.create', 'webhook.change', 'webhook.delete']
  const done = ['key.create', 'key.rotate', 'key.revoke', ...configured]
  t.same(
    all.done.slice(4),
    done.map((action) => `all ${action}`),
    'what changed nothing is not there',
  )
  t.match(
    all.entries.filter(({ action }) => action.startsWith('limits')),
    [{ subject: 'c', projectId: 'c' }, { subject: 'c' }],
  )
  t.equal((await audit('key-of-a')).entries.length, 4, 'a key of every project is not for a project to see')
  t.same((await audit('key-of-b')).entries, [])
  t.equal((await audit('key-of-a', '?projectId=b')).status, 403)
  t.equal((await audit('reader-of-a')).status, 403)
  t.equal((await audit('key-of-all', '?projectId=a')).entries.length, 4)

  const first = await audit('key-of-all', '?limit=9')
  const rest = await audit('key-of-all', `?limit=9&cursor=${first.nextCursor}`)
  t.same([...first.entries, ...rest.entries], all.entries)
  t.equal(rest.nextCursor, undefined)
  const ownFirst = await audit('key-of-a', '?limit=3')
  const ownRest = await audit('key-of-a', `?limit=3&cursor=${ownFirst.nextCursor}`)
  t.same([...ownFirst.entries, ...ownRest.entries], own.entries)
  for (const cursor of [first.nextCursor, ownFirst.nextCursor])
    t.equal((await audit('key-of-b', `?cursor=${cursor}`)).status, 400, 'a cursor of another project')
  t.equal((await audit('key-of-a', `?cursor=${first.nextCursor}`)).status, 400, 'nor one of every project')
  const wrong = ['x', '1', "'", id, Buffer.from('["x"]').toString('base64url'), 'A'.repeat(201)]
  for (const cursor of wrong) t.equal((await audit('key-of-all', `?cursor=${cursor}`)).status, 400)

  const kept = await everyTable({ databaseUrl: bed.postgres.url })
  const [, , keySecret = ''] = String(key.key).split('_')
  for (const secret of [secrets.token, keySecret, ...Object.keys(callers)]) t.notMatch(kept, secret)
})

void t.test('an order to a roll-out is given with who gives it', async (t) => {
  const orders: unknown[][] = []
  const order = (...given: unknown[]) => {
    orders.push(given)
    return Promise.reject(new GreenroomError('GRN_ROLLOUT_UNKNOWN'))
  }
  const api = await startApi(t, { steerRollout: { read: order, undo: order, pause: order, resume: order } })
  for (const what of ['undo', 'pause', 'resume'])
    await api.call('POST', `/v1/pools/${agentType}/rollout/${what}`)
  const by = { kind: 'bootstrap-key', id: 'GREENROOM_API_KEYS' }
  t.match(orders, Array(3).fill([agentType, by]))
})
