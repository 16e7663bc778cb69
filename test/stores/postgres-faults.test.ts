import { Client } from 'pg'
import t, { type Test } from 'tap'
import { until } from '../../bed/processes/until.ts'
import { startTcpProxy } from '../../bed/servers/tcp-proxy.ts'
import { endReason } from '../../src/domain/session.ts'
import { createPostgresClaimLedger } from '../../src/stores/postgres-claim-ledger.ts'
import { createPostgresSessionStore } from '../../src/stores/postgres-session-store.ts'
import { newId, newRecord, podNamed } from './open-records.ts'
import { postgresFor, startDatabase } from './store-servers.ts'

/** PostgreSQL that is cut off, hangs or is gone: what a caller hears, how soon, and what is true afterwards. */

const database = await startDatabase(t)
const unavailable = { code: 'GRN_DATABASE_UNAVAILABLE' }

async function behindProxy(t: Test) {
  const url = new URL(await database.fresh())
  const direct = await postgresFor(t, database, { url: url.href })
  const proxy = await startTcpProxy({ port: Number(url.port) })
  t.teardown(() => proxy.stop())
  url.port = String(proxy.port)
  const distant = await postgresFor(t, database, { url: url.href })
  const store = createPostgresSessionStore(distant)
  // Two connections, so that who asks again meets another one that hangs.
  await Promise.all([store.get(newId()), store.get(newId())])
  const rows = async () => (await direct.durable.query('SELECT id FROM sessions')).rows.map((row) => row.id)
  return { proxy, store, rows, here: createPostgresSessionStore(direct) }
}

async function timed<T>(work: () => Promise<T>): Promise<number> {
  const begun = performance.now()
  await work()
  return performance.now() - begun
}

void t.test(
  'the answer of a commit gets lost, then the connection: the claim is found to be made',
  async (t) => {
    const { proxy, store, rows } = await behindProxy(t)
    proxy.set('drop-replies')
    const record = newRecord()
    const outcome = store.commitOpen(record)
    await until('the row is there', async () => (await rows()).length === 1)
    proxy.set('pass')
    proxy.cut()
    t.match(await outcome, { kind: 'committed', session: { id: record.id, status: 'PENDING' } })
    t.same(await rows(), [record.id])
  },
)

void t.test('the same with no way to ask: an error in under 2 s, and a row that a retry finds', async (t) => {
  const { proxy, store, rows } = await behindProxy(t)
  proxy.set('drop-replies')
  const record = newRecord()
  const ms = await timed(() => t.rejects(store.commitOpen(record), unavailable))
  t.ok(ms < 2_000, `${Math.round(ms)} ms`)
  t.same(await rows(), [record.id])
  proxy.set('pass')
  proxy.cut()
  await until('answers', () =>
    store.get(record.id).then(
      (row) => row !== undefined,
      () => false,
    ),
  )
  t.match(await store.commitOpen(newRecord({ id: record.id, pod: podNamed('other') })), {
    kind: 'session-exists',
    session: { id: record.id },
  })
})

void t.test('the answer of a next attempt gets lost: it is found by its epoch', async (t) => {
  const { proxy, store, here } = await behindProxy(t)
  const opened = await here.commitOpen(newRecord())
  if (opened.kind !== 'committed') return t.fail('not opened')
  proxy.set('drop-replies')
  const outcome = store.commitNextAttempt(opened.session, {
    pod: podNamed('next'),
    epoch: 2,
    reason: 'refused',
  })
  await until('it ran', async () => (await here.get(opened.session.id))?.epoch === 2)
  proxy.set('pass')
  proxy.cut()
  t.match(await outcome, { kind: 'committed', session: { epoch: 2, pod: { uid: 'next' } } })
})

void t.test('a database that hangs is unavailable in under 2 s, for every method', async (t) => {
  const { proxy, store } = await behindProxy(t)
  proxy.set('half-open')
  const id = newId()
  const calls: Record<string, () => Promise<unknown>> = {
    commitOpen: () => store.commitOpen(newRecord()),
    get: () => store.get(id),
    list: () => store.list({ limit: 1 }),
    renew: () => store.renew(id, 1),
    activate: () => store.activate(id, 1),
    unsettled: () => store.unsettled({ olderThanMs: 0, limit: 1 }),
    beginEnding: () => store.beginEnding(id, endReason.caller),
    poolHistory: () => store.poolHistory(['echo-agent']),
  }
  await Promise.all(
    Object.entries(calls).map(async ([name, call]) => {
      const ms = await timed(() => t.rejects(call(), unavailable, name))
      t.ok(ms < 2_100, `${name}: ${Math.round(ms)} ms`)
    }),
  )
  proxy.set('pass')
  proxy.cut()
  t.equal(await store.get(id), undefined, 'and available again')
})

void t.test('a connection that is reset between two statements is replaced', async (t) => {
  const { proxy, store } = await behindProxy(t)
  proxy.cut()
  await until('answers', () =>
    store.get(newId()).then(
      () => true,
      () => false,
    ),
  )
  t.pass()
})

void t.test('a locked row gives up in time instead of holding the open', async (t) => {
  const postgres = await postgresFor(t, database)
  const store = createPostgresSessionStore(postgres)
  // A client without our time-outs: it is the one that hangs.
  const blocker = new Client({ connectionString: postgres.url })
  await blocker.connect()
  t.teardown(() => blocker.end())
  await blocker.query('BEGIN')
  await blocker.query(`INSERT INTO pod_claims (pod_uid, purpose) VALUES ('contended', 'retired')`)
  const ms = await timed(() =>
    t.rejects(store.commitOpen(newRecord({ pod: podNamed('contended') })), unavailable),
  )
  t.ok(ms < 2_000, `${Math.round(ms)} ms`)
  await blocker.query('ROLLBACK')
  t.match(await store.commitOpen(newRecord({ pod: podNamed('contended') })), { kind: 'committed' })
})

void t.test('PostgreSQL stopped: unavailable with a time to retry; started again, all goes on', async (t) => {
  const postgres = await postgresFor(t, database)
  const store = createPostgresSessionStore(postgres)
  const ledger = createPostgresClaimLedger(postgres)
  const kept = newRecord()
  await store.commitOpen(kept)
  await database.server.stop()
  const record = newRecord()
  const refusal = { ...unavailable, retryAfterMs: 1_000, status: 503 }
  const ms = await timed(() => t.rejects(store.commitOpen(record), refusal))
  t.ok(ms < 2_000, `${Math.round(ms)} ms`)
  await t.rejects(ledger.retire(['a'], 'surplus'), unavailable)
  await t.rejects(ledger.lapse(1), unavailable)
  await database.server.restart()
  await until('answers', () =>
    store.get(kept.id).then(
      (session) => session?.id === kept.id,
      () => false,
    ),
  )
  t.match(await store.commitOpen(record), { kind: 'committed' })
})
