import t, { type Test } from 'tap'
import { until } from '../../bed/processes/until.ts'
import { checkPools } from '../../src/domain/pool.ts'
import { createPostgresClaimLedger } from '../../src/stores/postgres-claim-ledger.ts'
import { createPostgresSessionStore } from '../../src/stores/postgres-session-store.ts'
import { indexOn, postgresFor, redisFor, startDatabase, startIndexServer } from '../stores/store-servers.ts'
import { readyPod } from '../support/fake-pod-view.ts'
import { notePods } from '../support/noted-pods.ts'
import { agentType, startAgents, startReplica } from './open-bed.ts'

/** `onEmpty: cold` on real Redis and PostgreSQL; the pod that the controller would make is put there by the test. */

const database = await startDatabase(t)
const redisServer = await startIndexServer(t)

function poolsWith(coldStart: object, lease: object = {}) {
  const checked = checkPools(
    JSON.stringify({
      pools: { [agentType]: { template: { image: 'echo' }, min: 0, max: 9, coldStart, lease } },
    }),
  )
  if (!checked.ok) throw new Error(checked.problems.join())
  return checked.value
}

async function startBed(t: Test, coldStart: object = { max: 2, deadlineSeconds: 20 }) {
  const agents = await startAgents(t, 3)
  const postgres = await postgresFor(t, database)
  await notePods(postgres, [...agents.agents.keys()])
  const redis = await redisFor(t, redisServer.url)
  await redis.flushall()
  const index = indexOn(redis)
  await index.rebuild(agentType, [])
  const sessions = createPostgresSessionStore(postgres)
  const replica = (name: string, lease: object = {}, knowsPools = () => true) =>
    startReplica({ name, agents, sessions, index, pools: poolsWith(coldStart, lease), knowsPools })
  return {
    agents,
    postgres,
    sessions,
    index,
    ledger: createPostgresClaimLedger(postgres),
    replica,
    api: await replica('api-1'),
    /** The pod that the pool made is Ready. */
    makeReady: (n: number) => index.add(agentType, [{ podUid: `pod-${n}`, rank: n }]),
    status: async (id: string) => (await sessions.get(id))?.status,
    /** As if this replica had not been heard of for longer than a holder may be silent. */
    silence: () => postgres.durable.query("UPDATE sessions SET held_until = now() - interval '1 s'"),
  }
}

void t.test('answers PENDING at once, asks for a pod, and takes the first that becomes Ready', async (t) => {
  const { api, makeReady, status, ledger, sessions, agents } = await startBed(t)
  const { session, replayed } = await api.open({ onEmpty: 'cold', metadata: { topic: 'tea' } })
  t.match(session, { status: 'PENDING', pod: undefined, epoch: 1, heldByReplica: 'api-1', adoptable: true })
  t.equal(replayed, false)
  t.same(api.published, [
    { kind: 'missed', agentType },
    { kind: 'claimed', agentType },
  ])
  t.equal(await ledger.coldWaiting(agentType), 1)
  await makeReady(0)
  await until('ACTIVE', async () => (await status(session.id)) === 'ACTIVE')
  t.match(await sessions.get(session.id), { pod: { uid: 'pod-0' }, heldByReplica: undefined })
  t.match(agents.agent('pod-0').serving, { sessionId: session.id, metadata: { topic: 'tea' } })
  t.equal(await ledger.coldWaiting(agentType), 0)
  t.match(api.published.at(-1), { kind: 'activated', sessionId: session.id })
})

void t.test('its lease is held as its pool said, also when another replica goes on with it', async (t) => {
  const { replica, makeReady, silence, status, sessions } = await startBed(t)
  const dead = await replica('api-1', { heldBy: 'agent' })
  const { session } = await dead.open({ onEmpty: 'cold' })
  t.equal(session.leaseHeldBy, 'agent')
  dead.draining.abort()
  await silence()
  const other = await replica('api-2', { heldBy: 'caller' })
  await other.adoptOrphans()
  await makeReady(0)
  await until('ACTIVE', async () => (await status(session.id)) === 'ACTIVE')
  t.match(await sessions.get(session.id), { leaseHeldBy: 'agent' })
})

void t.test('a warm pod is taken as ever', async (t) => {
  const { api, makeReady } = await startBed(t)
  await makeReady(1)
  t.match((await api.open({ onEmpty: 'cold' })).session, { status: 'ACTIVE', pod: { uid: 'pod-1' } })
})

void t.test('is bounded in number', async (t) => {
  const { api } = await startBed(t)
  await api.open({ onEmpty: 'cold' })
  await api.open({ onEmpty: 'cold' })
  await t.rejects(api.open({ onEmpty: 'cold' }), { code: 'GRN_POOL_EMPTY', retryAfterMs: 5_000 })
})

void t.test(
  'the same key sees the same PENDING session, then the ACTIVE one; another body is refused',
  async (t) => {
    const { api, replica, makeReady, status } = await startBed(t)
    const other = await replica('api-2')
    const key = { idempotencyKey: 'k' }
    const first = await api.open({ onEmpty: 'cold' }, key)
    t.match(await other.open({ onEmpty: 'cold' }, key), {
      replayed: true,
      session: { id: first.session.id, status: 'PENDING' },
    })
    await t.rejects(other.open({ onEmpty: 'cold', roomName: 'x' }, key), { code: 'GRN_IDEMPOTENCY_MISMATCH' })
    await makeReady(0)
    await until('ACTIVE', async () => (await status(first.session.id)) === 'ACTIVE')
    t.match(await other.open({ onEmpty: 'cold' }, key), {
      session: { id: first.session.id, status: 'ACTIVE' },
    })
  },
)

void t.test('with secrets the request is held open, and the secrets are in no row', async (t) => {
  const { api, makeReady, agents, postgres } = await startBed(t)
  const open = api.open({ onEmpty: 'cold', secrets: { KEY: 'just in time' } })
  await until('the row', async () => (await postgres.durable.query('SELECT FROM sessions')).rowCount === 1)
  t.notMatch(JSON.stringify((await postgres.durable.query('SELECT * FROM sessions')).rows), /just in time/)
  await makeReady(0)
  t.match((await open).session, { status: 'ACTIVE', pod: { uid: 'pod-0' } })
  t.match(agents.agent('pod-0').serving, { secrets: { KEY: 'just in time' } })
})

void t.test('a replica that dies is replaced by another; it gets the session no more', async (t) => {
  const { api, replica, makeReady, status, silence, agents } = await startBed(t)
  const { session } = await api.open({ onEmpty: 'cold' })
  const other = await replica('api-2')
  await other.adoptOrphans()
  await silence()
  await other.adoptOrphans()
  await makeReady(0)
  await until('ACTIVE', async () => (await status(session.id)) === 'ACTIVE')
  t.equal(agents.all().filter(({ serving }) => serving).length, 1, 'the first replica was not dead after all')
})

void t.test('a replica that has just started adopts nothing before it knows pools and pods', async (t) => {
  const { api, replica, agents, makeReady, silence, status, sessions } = await startBed(t)
  const { session } = await api.open({ onEmpty: 'cold' })
  api.draining.abort()
  await api.handOver()
  let knowsPools = false
  const fresh = await replica('api-2', {}, () => knowsPools)
  await fresh.adoptOrphans()
  knowsPools = true
  agents.pods.setSynced(false)
  await fresh.adoptOrphans()
  t.match(await sessions.get(session.id), { status: 'PENDING', heldByReplica: 'api-1' })
  agents.pods.setSynced(true)
  await silence()
  await fresh.adoptOrphans()
  await makeReady(0)
  await until('ACTIVE', async () => (await status(session.id)) === 'ACTIVE')
})

void t.test('one with secrets cannot be adopted: it fails, and its key is free', async (t) => {
  const { api, replica, sessions, silence, makeReady, postgres } = await startBed(t)
  const gone = new AbortController()
  const key = { idempotencyKey: 'k' }
  const request = { onEmpty: 'cold' as const, secrets: { KEY: 'x' } }
  const lost = api.open(request, { ...key, signal: gone.signal }).catch((error: unknown) => error)
  await until('the row', async () => (await postgres.durable.query('SELECT FROM sessions')).rowCount === 1)
  await silence()
  const other = await replica('api-2')
  await other.adoptOrphans()
  const [row] = await sessions.list({ limit: 1 })
  t.match(row, { status: 'ENDED', endReason: 'failed:abandoned' })
  gone.abort()
  await lost
  await makeReady(0)
  t.match((await other.open(request, key)).session, { id: row?.id, status: 'ACTIVE' })
})

void t.test('its retry has the secrets and goes on with it', async (t) => {
  const { api, replica, silence, makeReady, postgres } = await startBed(t)
  const request = { onEmpty: 'cold' as const, secrets: { KEY: 'x' } }
  const first = api.open(request, { idempotencyKey: 'k' }).catch((error: unknown) => error)
  await until('the row', async () => (await postgres.durable.query('SELECT FROM sessions')).rowCount === 1)
  await silence()
  const other = await replica('api-2')
  const retry = other.open(request, { idempotencyKey: 'k' })
  await until('taken over', async () => {
    const { rows } = await postgres.durable.query('SELECT held_by FROM sessions')
    return rows[0]?.held_by === 'api-2'
  })
  await makeReady(0)
  t.match((await retry).session, { status: 'ACTIVE', pod: { uid: 'pod-0' } })
  await first
})

void t.test('draining hands it over instead of failing it', async (t) => {
  const { api, replica, status, sessions, makeReady } = await startBed(t)
  const { session } = await api.open({ onEmpty: 'cold' })
  api.draining.abort()
  await api.handOver()
  t.match(await sessions.get(session.id), { status: 'PENDING' })
  const other = await replica('api-2')
  await other.adoptOrphans()
  await makeReady(0)
  await until('ACTIVE', async () => (await status(session.id)) === 'ACTIVE')
})

void t.test('one that is ended before it gets a pod takes none', async (t) => {
  const { api, sessions, makeReady, index, ledger } = await startBed(t)
  const { session } = await api.open({ onEmpty: 'cold' })
  t.match(await sessions.beginEnding(session.id, 'ended:caller'), { kind: 'done' })
  t.equal(await ledger.coldWaiting(agentType), 0)
  await makeReady(0)
  await until('nobody waits', async () => (await index.waiting(agentType)) === 0)
  await until('the slot is back', async () => (await index.size(agentType)) === 1)
  t.equal((await ledger.claimsOf(['pod-0'])).size, 0)
})

void t.test('without a pod in time it fails, truthfully', async (t) => {
  const { api, sessions } = await startBed(t, { max: 1, deadlineSeconds: 1 })
  const { session } = await api.open({ onEmpty: 'cold' })
  await until('ENDED', async () => (await sessions.get(session.id))?.status === 'ENDED', 5_000)
  t.match(await sessions.get(session.id), { endReason: 'failed:pool-empty', pod: undefined })
})

void t.test('a pod that does not take it costs the next attempt, as ever', async (t) => {
  const { api, makeReady, agents, sessions, status } = await startBed(t)
  agents.agent('pod-0').mood = 'refuse'
  const { session } = await api.open({ onEmpty: 'cold' })
  await makeReady(0)
  await until('refused', () => agents.agent('pod-0').assignments.length > 0)
  await makeReady(1)
  await until('ACTIVE', async () => (await status(session.id)) === 'ACTIVE')
  t.match(await sessions.get(session.id), { pod: { uid: 'pod-1' } })
  agents.pods.set(readyPod({ uid: 'pod-0' }))
})
