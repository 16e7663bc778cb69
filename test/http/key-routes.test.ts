import t from 'tap'
import { until } from '../../bed/processes/until.ts'
import { startDatabase, startIndexServer } from '../stores/store-servers.ts'
import { everyTable } from '../support/secret-search.ts'
import { apiKey, isProblem } from './api-bed.ts'
import { startKeyApi } from './key-bed.ts'

const database = await startDatabase(t)
const redis = await startIndexServer(t)
const where = { database, redisUrl: redis.url }
const reader = { name: 'dashboards', scopes: ['sessions:read'] }

void t.test('a key is good for its scopes, and is shown once', async (t) => {
  const api = await startKeyApi(t, where)
  const made = await api.create(reader)
  t.match(made, {
    status: 201,
    key: /^gr_[0-9a-z]{12}_[0-9A-Za-z]{43}$/,
    createdBy: 'bootstrap-key GREENROOM_API_KEYS',
  })
  t.equal(await api.status(made.key), 200)
  t.equal(await api.status(made.key, '/v1/pools'), 403)
  t.equal(await api.status(made.key, '/v1/keys'), 403)
  t.equal(await api.status(`${made.key.slice(0, -1)}${made.key.endsWith('0') ? '1' : '0'}`), 401)
  const list = await api.call('GET', '/v1/keys')
  t.match(list.json(), { keys: [{ id: made.id, name: 'dashboards', scopes: ['sessions:read'] }] })
  const [, , secret = made.key] = made.key.split('_')
  t.notMatch(list.body, secret)
  t.notMatch(await everyTable(api), secret, 'no table holds it')
  t.notMatch(api.lines.join(''), secret, 'and no line of the log')
})

void t.test('bodies and ids that are none', async (t) => {
  const api = await startKeyApi(t, where)
  const wrong: object[] = [
    {},
    { name: '', scopes: ['admin'] },
    { name: 'x', scopes: [] },
    { name: 'x', scopes: ['root'] },
    { name: 'x', scopes: ['admin', 'admin'] },
    { name: 'x\u001b[2J', scopes: ['admin'] },
    { name: 'x', scopes: ['admin'], projectId: '' },
    { name: 'x', scopes: ['admin'], projectId: 'a\0b' },
    { name: 'x', scopes: ['admin'], secret: 'mine' },
  ]
  for (const body of wrong) t.match(await api.create(body), { status: 400, code: 'GRN_INVALID_REQUEST' })
  for (const id of ['x', '0'.repeat(13), '%00', "'; DROP TABLE api_keys"])
    isProblem(t, await api.call('DELETE', `/v1/keys/${encodeURIComponent(id)}`), 'GRN_INVALID_REQUEST', 400)
  isProblem(t, await api.call('DELETE', `/v1/keys/${'0'.repeat(12)}`), 'GRN_KEY_NOT_FOUND', 404)
  const { id } = await api.create(reader)
  for (const keepOldSeconds of [-1, 1.5, 1e9])
    t.match(await api.change('POST', `/v1/keys/${id}/rotate`, { body: { keepOldSeconds } }), { status: 400 })
})

void t.test('a key is rotated with two live secrets, or with one after a leak, and revoked', async (t) => {
  const api = await startKeyApi(t, where)
  const { id, key: first } = await api.create(reader)
  const { key: second } = await api.change('POST', `/v1/keys/${id}/rotate`, { body: {} })
  t.same([await api.status(first), await api.status(second)], [200, 200])
  const { key: third } = await api.change('POST', `/v1/keys/${id}/rotate`, { body: { keepOldSeconds: 0 } })
  t.same([await api.status(first), await api.status(second), await api.status(third)], [401, 401, 200])
  t.match(await api.change('DELETE', `/v1/keys/${id}`), { status: 200, revokedAt: /Z$/ })
  t.equal(await api.status(third), 401)
  t.match(await api.change('DELETE', `/v1/keys/${id}`), { status: 200 }, 'again')
  const late = await api.change('POST', `/v1/keys/${id}/rotate`, { body: {} })
  t.match(late, { status: 409, code: 'GRN_KEY_REVOKED' })
})

void t.test('an admin of a project makes and changes keys of that project only', async (t) => {
  const api = await startKeyApi(t, where)
  const { key: admin } = await api.create({ name: 'admin of a', scopes: ['admin'], projectId: 'a' })
  const { id: foreign } = await api.create({ name: 'of b', scopes: ['admin'], projectId: 'b' })
  const { id: everywhere } = await api.create({ name: 'of all', scopes: ['admin'] })
  t.match(await api.create(reader, admin), { status: 201, projectId: 'a' }, 'bound as its maker is')
  t.match(await api.create({ ...reader, projectId: 'b' }, admin), { status: 403, code: 'GRN_FORBIDDEN' })
  for (const id of [foreign, everywhere]) {
    t.match(await api.change('DELETE', `/v1/keys/${id}`, { key: admin }), { status: 404 })
    t.match(await api.change('POST', `/v1/keys/${id}/rotate`, { body: {}, key: admin }), { status: 404 })
  }
  const headers = { authorization: `Bearer ${admin}` }
  const list = (query: string) => api.call('GET', `/v1/keys${query}`, { headers })
  t.match((await list('')).json(), { keys: [{ projectId: 'a' }, { projectId: 'a' }] })
  t.equal((await list('?projectId=b')).statusCode, 403)
  const page = (await list('?limit=1')).json<{ keys: object[]; nextCursor: string }>()
  t.equal(page.keys.length, 1)
  t.match((await list(`?limit=1&cursor=${page.nextCursor}`)).json(), { keys: [{}], nextCursor: undefined })
})

void t.test('every replica learns of a new, a rotated and a revoked key from the wake-up', async (t) => {
  const api = await startKeyApi(t, where)
  const other = await startKeyApi(t, { ...where, beside: api })
  const { id, key } = await api.create(reader)
  await until('the other replica takes it', async () => (await other.status(key)) === 200)
  const { key: second } = await other.change('POST', `/v1/keys/${id}/rotate`, { body: {} })
  await until('the first takes the new secret', async () => (await api.status(second)) === 200)
  t.equal(await api.status(key), 200)
  await api.change('DELETE', `/v1/keys/${id}`)
  await until('the other refuses both', async () => {
    const answers = [await other.status(key), await other.status(second)]
    return answers.every((status) => status === 401)
  })
})

void t.test('without Redis the look of each second tells', async (t) => {
  const api = await startKeyApi(t, where)
  const other = await startKeyApi(t, { ...where, beside: api })
  const { id, key } = await api.create(reader)
  await other.look()
  t.equal(await other.status(key), 200)
  await redis.stop()
  t.match(await api.change('DELETE', `/v1/keys/${id}`), { status: 200 })
  t.equal(await api.status(key), 401, 'where it was revoked at once')
  await other.look()
  t.equal(await other.status(key), 401)
  t.equal(await other.status(apiKey), 200)
})
