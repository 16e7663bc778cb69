import { Client } from 'pg'
import t from 'tap'
import { until } from '../../bed/processes/until.ts'
import { GreenroomError } from '../../src/errors.ts'
import { createMetrics } from '../../src/metrics.ts'
import { createCloseSession } from '../../src/sessions/close-session.ts'
import type { OpenAnswer } from '../../src/sessions/open-session.ts'
import { createRenewSession } from '../../src/sessions/renew-session.ts'
import { openAll, requestsOf } from '../sessions/open-batch-bed.ts'
import { agentType, poolsOf } from '../sessions/open-bed.ts'
import { startDatabase, startIndexServer } from '../stores/store-servers.ts'
import { createStepGate } from '../support/claim-steps.ts'
import { readyPod } from '../support/fake-pod-view.ts'
import { noneBehind, settledAlready } from '../support/nothing-unsettled.ts'
import { startClaimBed } from './claim-bed.ts'

/** What was done and not heard of: replies of Redis, PostgreSQL and agents that get lost (docs/claims.md). */

const servers = { database: await startDatabase(t), redisServer: await startIndexServer(t) }
const key = { idempotencyKey: 'k' }

/** The answer, or the code of the refusal. */
async function outcomeOf(opening: Promise<OpenAnswer>): Promise<OpenAnswer | string> {
  return opening.catch((error: unknown) => {
    if (error instanceof GreenroomError) return error.code
    throw error
  })
}

const isAnswered = (asked: Promise<unknown>): Promise<boolean> =>
  asked.then(
    () => true,
    () => false,
  )

void t.test(
  'the reply of reserve is lost: the open goes on without the index, and takes one pod',
  async (t) => {
    const bed = await startClaimBed(t, servers, 4)
    const { open, proxies } = await bed.distantReplica()
    proxies.redis.set('drop-replies')
    const { session } = await open({}, key)
    t.equal(await bed.redis.hlen(`greenroom:{${agentType}}:reservations`), 1, 'the script did run')
    proxies.redis.set('pass')
    proxies.redis.cut()
    t.match(await open({}, key), {
      replayed: true,
      session: { id: session.id, pod: { uid: session.pod?.uid } },
    })
    t.match(await bed.claims(), [{ pod_uid: session.pod?.uid, purpose: 'session' }])
    t.equal(bed.serving().length, 1)
    // An unused reservation lapses like every other.
    const [reserved] = await bed.redis.hvals(`greenroom:{${agentType}}:reservations`)
    await bed.redis.zadd(`greenroom:{${agentType}}:expiries`, 0, session.id)
    const pods = new Set<string | undefined>()
    for (let n = 0; n < 3; n += 1) pods.add((await open()).session.pod?.uid)
    t.equal(pods.size, 3, `all four pods are handed out, ${reserved} too`)
  },
)

void t.test('the reply of COMMIT is lost: the open finds its row and goes on with it', async (t) => {
  const bed = await startClaimBed(t, servers, 3)
  const { open, activationsDone, proxies } = await bed.distantReplica()
  const warm = await open()
  // Its activation is written, and the connection is free.
  await activationsDone()
  proxies.postgres.set('drop-replies')
  // Without a key nothing is read before: the commit is the first to lose its reply.
  const outcome = outcomeOf(open({ metadata: { n: 1 } }))
  await until('the row is written', async () => (await bed.rows()).length === 2)
  proxies.postgres.set('pass')
  proxies.postgres.cut()
  t.match(await outcome, { session: { status: 'ACTIVE', pod: { uid: 'pod-1' }, epoch: 1 } })
  t.equal((await bed.claims()).length, 2)
  t.equal(warm.session.pod?.uid, 'pod-0')
})

void t.test('the reply of COMMIT of a batch is lost: it finds its rows and goes on with them', async (t) => {
  const bed = await startClaimBed(t, servers, 6)
  const replica = await bed.distantReplica()
  await replica.open()
  await replica.activationsDone()
  replica.proxies.postgres.set('drop-replies')
  const outcome = openAll(replica, requestsOf(4))
  await until('the rows are written', async () => (await bed.rows()).length === 5)
  replica.proxies.postgres.set('pass')
  replica.proxies.postgres.cut()
  const answers = await outcome
  t.ok(answers.every(({ session }) => session.status === 'ACTIVE' && session.epoch === 1))
  t.equal((await bed.claims()).length, 5)
})

void t.test(
  'COMMIT is cut, and nobody can tell: 503, the slot is given back, and the key finds the row',
  async (t) => {
    const bed = await startClaimBed(t, servers, 3)
    const { open, proxies } = await bed.distantReplica()
    await open()
    // It is on its way when the connection is cut, and goes on afterwards: PostgreSQL does not look at the connection.
    const blocker = new Client({ connectionString: bed.postgres.url })
    await blocker.connect()
    t.teardown(() => blocker.end())
    await blocker.query('BEGIN')
    await blocker.query(`INSERT INTO pod_claims (pod_uid, purpose) VALUES ('pod-1', 'retired')`)
    const outcome = outcomeOf(open({}, key))
    await until('the statement waits', async () => {
      const waiting = await bed.query(`SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'`)
      return waiting.length === 1
    })
    proxies.postgres.set('refuse')
    t.equal(await outcome, 'GRN_DATABASE_UNAVAILABLE')
    t.equal(await bed.index.size(agentType), 2, 'the slot went back')
    await blocker.query('ROLLBACK')
    await until('it was committed after all', async () => (await bed.rows()).length === 2)
    proxies.postgres.set('pass')
    const stranger = await open()
    t.match(stranger.session, { pod: { uid: 'pod-2' }, epoch: 2 }, 'it costs the next one an attempt')
    t.match(await open({}, key), { replayed: true, session: { status: 'ACTIVE', pod: { uid: 'pod-1' } } })
    t.equal((await bed.claims()).length, 3)
    await t.rejects(open({ metadata: { other: 'body' } }, key), {
      code: 'GRN_IDEMPOTENCY_MISMATCH',
      status: 422,
    })
  },
)

void t.test(
  'COMMIT of a group of opens is cut: each is answered truthfully, and each key is one session',
  async (t) => {
    const bed = await startClaimBed(t, servers, 40)
    const { open, activationsDone, proxies } = await bed.distantReplica()
    await Promise.all(Array.from({ length: 4 }, () => open()))
    await activationsDone()
    const before = (await bed.rows()).length
    proxies.postgres.set('drop-replies')
    // Without a key nothing is read before: their statements are groups at once.
    const outcomes = Array.from({ length: 20 }, () => outcomeOf(open()))
    await until('some are written', async () => (await bed.rows()).length > before)
    proxies.postgres.set('pass')
    proxies.postgres.cut()
    const answers = await Promise.all(outcomes)
    const opened = answers.filter((answer) => typeof answer !== 'string')
    t.ok(
      answers.every((answer) => typeof answer !== 'string' || answer === 'GRN_DATABASE_UNAVAILABLE'),
      String(answers.filter((answer) => typeof answer === 'string')),
    )
    t.ok(opened.length > 0, `${opened.length} of ${answers.length} are found to be made`)
    t.equal(
      new Set(opened.map(({ session }) => session.pod?.uid)).size,
      opened.length,
      'each on a pod of its own',
    )
    await activationsDone()
    const active = (await bed.rows()).filter(({ status }) => status === 'ACTIVE').map(({ id }) => id)
    for (const { session } of opened) t.ok(active.includes(session.id))
    t.equal(active.length, before + opened.length, 'nobody who was refused has a session that is ACTIVE')
    // The same once more, with keys: whatever they hear, asking again is one session each.
    const keys = Array.from({ length: 10 }, (_, n) => ({ idempotencyKey: `k${n}` }))
    const firsts = keys.map((context) => outcomeOf(open({}, context)))
    proxies.postgres.cut()
    await Promise.all(firsts)
    const seconds = await Promise.all(
      keys.map((context) => until('an answer', async () => asAnswer(await outcomeOf(open({}, context))))),
    )
    const claims = (await bed.claims()).filter(({ session_id }) =>
      seconds.some(({ session }) => session.id === session_id),
    )
    t.equal(claims.length, keys.length, 'one pod for each key')
  },
)

const asAnswer = (outcome: OpenAnswer | string) => (typeof outcome === 'string' ? undefined : outcome)

void t.test(
  'the reply of the activation is lost: it is written again, and its key is the same session',
  async (t) => {
    const bed = await startClaimBed(t, servers, 2)
    const gate = createStepGate()
    const { open, activationsDone, proxies } = await bed.distantReplica(gate)
    gate.hold('activate')
    const { session } = await open({}, key)
    await until('the agent has acknowledged', () => gate.held('activate') === 1)
    proxies.postgres.set('drop-replies')
    gate.release('activate')
    await until('ACTIVE', async () => (await bed.rows())[0]?.status === 'ACTIVE')
    proxies.postgres.set('pass')
    proxies.postgres.cut()
    await activationsDone()
    t.match(await open({}, key), {
      replayed: true,
      session: {
        id: session.id,
        status: 'ACTIVE',
        pod: { uid: 'pod-0' },
        epoch: 1,
        activeAt: session.activeAt,
      },
    })
    t.equal((await bed.claims()).length, 1)
  },
)

void t.test(
  'the acknowledgement is lost after the agent accepted: the next pod, and the old epoch is refused',
  async (t) => {
    const bed = await startClaimBed(t, servers, 2)
    const api = await bed.replica()
    bed.agents.agent('pod-0').mood = 'mute'
    const { session } = await api.open()
    t.match(session, { status: 'ACTIVE', epoch: 2, pod: { uid: 'pod-1' } })
    const before = await api.sessionApi.sessions.get(session.id)
    t.match(
      bed.agents.agent('pod-0').serving,
      { sessionId: session.id, epoch: 1 },
      'it believes that it serves',
    )
    t.match(await bed.claims(), [
      { pod_uid: 'pod-0', purpose: 'retired', epoch: 1, reason: 'unreachable: no answer in time' },
      { pod_uid: 'pod-1', purpose: 'session', epoch: 2 },
    ])
    const renew = createRenewSession({ sessions: bed.sessions, ...settledAlready, metrics: createMetrics() })
    const close = createCloseSession({
      sessions: bed.sessions,
      behind: noneBehind,
      wakes: { publish: () => undefined },
    })
    const stale = { code: 'GRN_STALE_EPOCH', status: 409 }
    await t.rejects(renew(session.id, 1, 'agent'), stale)
    await t.rejects(close(session.id, 'agent', 1), stale)
    t.same(await bed.sessions.get(session.id), before, 'neither changed anything')
    t.match(await renew(session.id, 2, 'agent'), { status: 'ACTIVE' })
  },
)

void t.test('the reply of a renewal, and of an end, is lost: asked again both are done', async (t) => {
  const bed = await startClaimBed(t, servers, 1)
  const { open, sessions, proxies } = await bed.distantReplica()
  const { session } = await open()
  for (const [what, change] of [
    ['renewed', () => sessions.renew(session.id, 1)],
    ['ended', () => sessions.beginEnding(session.id, 'ended:caller', 1)],
  ] as const) {
    await until('a connection', () => isAnswered(sessions.get(session.id)))
    const before = await bed.query(`SELECT xmin FROM sessions`)
    proxies.postgres.set('drop-replies')
    const lost = t.rejects(change(), { code: 'GRN_DATABASE_UNAVAILABLE', retryAfterMs: 1_000 }, what)
    await until(`${what} in PostgreSQL`, async () => {
      const now = await bed.query(`SELECT xmin FROM sessions`)
      return JSON.stringify(now) !== JSON.stringify(before)
    })
    proxies.postgres.set('pass')
    proxies.postgres.cut()
    await lost
    await until('a connection', () => isAnswered(sessions.renew(session.id, 7)))
    t.match(await change(), { kind: 'done' }, `${what} again`)
  }
  t.match(await bed.sessions.get(session.id), { status: 'ENDING', endReason: 'ended:caller' })
})

void t.test(
  'every pod is unreachable: as many are retired as the cap allows, then 503 until it is over',
  async (t) => {
    const poolSize = 60
    const cap = Math.max(2, Math.floor(poolSize * 0.05))
    const bed = await startClaimBed(t, servers, poolSize)
    // Addresses without a listener.
    for (const { uid } of bed.agents.all()) bed.agents.pods.set(readyPod({ uid, ip: '127.78.1.1' }))
    const replicas = await Promise.all(['api-1', 'api-2'].map((name) => bed.replica({ name, poolSize })))
    const outcomes = await Promise.all(
      Array.from({ length: 20 }, () => replicas.map((api) => outcomeOf(api.open()))).flat(),
    )
    for (const outcome of outcomes) t.match(outcome, /^GRN_(DELIVERY_FAILED|POOL_DEGRADED)$/)
    const used = async () => (await bed.claims()).length
    const retired = await used()
    t.ok(retired > 0 && retired <= cap, `${retired} of ${poolSize}, cap ${cap}`)
    for (const api of replicas) t.equal(await outcomeOf(api.open()), 'GRN_POOL_DEGRADED')
    t.equal(await used(), retired, 'a Degraded pool costs no pod')
    t.strictSame(
      (await bed.rows()).filter(({ status }) => status === 'PENDING'),
      [],
      'no row is left behind',
    )
  },
)

for (const holder of ['caller', 'both'] as const) {
  const then = holder === 'caller' ? 'ends with its lease, whatever its agent does' : 'is kept by its agent'
  void t.test(
    `the 201 is lost, there is no key, ${holder} held the lease: the session ${then}`,
    async (t) => {
      const bed = await startClaimBed(t, servers, 1)
      const lease = `{heldBy: ${holder}}`
      const pools = poolsOf(
        `pools: {${agentType}: {template: {image: echo}, min: 1, max: 9, lease: ${lease}}}`,
      )
      const { open, activationsDone } = await bed.replica({ pools })
      const { id } = (await open()).session
      await activationsDone()
      const renew = createRenewSession({
        sessions: bed.sessions,
        ...settledAlready,
        metrics: createMetrics(),
      })
      // Renewals can be taken all the time. Its time is over, and the reaper has not come yet.
      await bed.query(`UPDATE renewal_service SET alive_at = 'infinity'`)
      await bed.query(`UPDATE sessions SET lease_expires_at = now() - interval '1 ms'`)
      t.match(await renew(id, 1, 'agent'), { id, status: 'ACTIVE' }, 'the agent is answered like ever')
      const ended = holder === 'caller' ? [{ id, status: 'ENDING', endReason: 'lapsed:lease' }] : []
      t.match(await bed.ledger.lapse(10), ended)
      t.match(await bed.sessions.get(id), { status: holder === 'caller' ? 'ENDING' : 'ACTIVE' })
    },
  )
}
