import assert from 'node:assert/strict'
import t from 'tap'
import { until } from '../../bed/processes/until.ts'
import type { AgentDelivery, DeliveryOutcome } from '../../src/domain/cluster-ports.ts'
import type { RoomAccess } from '../../src/domain/room-ports.ts'
import { endReason } from '../../src/domain/session.ts'
import { createSessionTokens } from '../../src/sessions/session-token.ts'
import { newRecord } from '../stores/open-records.ts'
import { readyPod } from '../support/fake-pod-view.ts'
import { keptLog } from '../support/kept-log.ts'
import { unasked } from '../support/nothing-unsettled.ts'
import { agentType, hmacSecret, poolsOf } from './open-bed.ts'
import { startOpenServers } from './open-session-bed.ts'

/** An open on a pool with slots: what becomes of it in its pod, its row and its answer, and who else may get them. */

const { database, startBed } = await startOpenServers(t)

void t.test('an open claims the first slot, tells its pod and is ACTIVE', async (t) => {
  const { api, agents, index, claims, sessions } = await startBed(t, 3)
  const answer = await api.open({
    projectId: 'p1',
    participant: { identity: 'ann' },
    metadata: { topic: 'tea' },
    secrets: { KEY: 'just in time' },
    leaseSeconds: 1,
  })
  t.match(answer, { replayed: false, livekit: undefined })
  t.match(answer.session, {
    status: 'ACTIVE',
    epoch: 1,
    pod: { uid: 'pod-0', ip: '127.77.1.1' },
    leaseMs: 10_000,
    metadata: { topic: 'tea' },
  })
  t.equal(answer.session.room, `echo-agent-${answer.session.id}`)
  t.equal(answer.session.roomName, answer.session.room)
  t.same(Object.keys(answer.stagesMs).sort(), ['commit', 'deliver', 'reserve'], 'nobody waits for more')
  t.match(agents.agent('pod-0').serving, {
    sessionId: answer.session.id,
    epoch: 1,
    secrets: { KEY: 'just in time' },
    metadata: { topic: 'tea' },
  })
  t.same(await claims(), [{ pod_uid: 'pod-0', purpose: 'session', reason: null }])
  t.equal(await index.size(agentType), 2)
  t.same(api.published, [{ kind: 'claimed', agentType }])
  const read = await api.sessionApi.sessions.get(answer.session.id)
  t.ok((read?.leaseExpiresAt ?? 0) >= answer.session.leaseExpiresAt, 'the lease is no shorter than was told')
  t.same({ ...read, leaseExpiresAt: 0 }, { ...answer.session, leaseExpiresAt: 0 })
  t.same(await sessions.get(answer.session.id), read, 'and the row says so')
})

void t.test('who holds the lease is what the pool said when the session was opened', async (t) => {
  const { replica } = await startBed(t, 2)
  const heldBy = (holder: string) =>
    poolsOf(`pools: {${agentType}: {template: {image: e}, min: 1, max: 9, lease: {heldBy: ${holder}}}}`)
  const before = await replica({ pools: heldBy('caller') })
  const after = await replica({ pools: heldBy('agent') })
  const key = { idempotencyKey: 'held' }
  t.equal((await before.open({}, key)).session.leaseHeldBy, 'caller')
  t.match(await after.open({}, key), { replayed: true, session: { leaseHeldBy: 'caller' } })
  t.equal((await after.open()).session.leaseHeldBy, 'agent')
})

void t.test('where the pool says nothing, a caller without a key holds the lease alone', async (t) => {
  const { api } = await startBed(t, 2)
  t.equal((await api.open()).session.leaseHeldBy, 'caller')
  t.equal((await api.open({}, { idempotencyKey: 'held' })).session.leaseHeldBy, 'both')
})

void t.test(
  'identities of Greenroom are refused; a caller without one gets one that nobody can foresee',
  async (t) => {
    const { api, sessions, claims } = await startBed(t, 2)
    await t.rejects(api.open({ participant: { identity: ' Agent-7' } }), {
      code: 'GRN_INVALID_REQUEST',
      message: /^body\/participant\/identity: begins like "agent-", which is kept for agents/,
    })
    t.same(await claims(), [])
    const { session } = await api.open()
    t.match(session.participant?.identity, /^participant-[0-9a-f-]{36}$/)
    t.notMatch(session.participant?.identity, session.id)
    t.same(
      (await sessions.get(session.id))?.participant,
      session.participant,
      'a later token is for the same one',
    )
  },
)

void t.test('an unknown type is refused', async (t) => {
  const { api } = await startBed(t, 1)
  for (const name of ['nobody', 'constructor', 'toString', '__proto__']) {
    await t.rejects(api.open({ agentType: name }), { code: 'GRN_UNKNOWN_AGENT_TYPE', message: `"${name}"` })
  }
})

void t.test('a pod that is taken already costs an attempt and leaves the index for good', async (t) => {
  const { api, ledger, index, redis } = await startBed(t, 3)
  await ledger.retire(['pod-0', 'pod-1'], 'surplus')
  t.match((await api.open()).session, { pod: { uid: 'pod-2' }, epoch: 3 })
  t.equal(await index.size(agentType), 0)
  // Reservations are settled in groups, a few milliseconds later.
  const isSettled = async () => (await redis.hlen('greenroom:{echo-agent}:reservations')) === 0
  await until('no reservation, which would come back by lapsing', isSettled)
})

void t.test('a pod that refuses is retired; the next attempt has the next epoch', async (t) => {
  const { api, moods, agents, claims } = await startBed(t, 3)
  moods('refuse')
  const { session } = await api.open()
  t.match(session, { status: 'ACTIVE', pod: { uid: 'pod-1' }, epoch: 2 })
  t.match(await claims(), [
    { pod_uid: 'pod-0', purpose: 'retired', reason: 'refused: status 409 AGENT_BUSY' },
    { pod_uid: 'pod-1', purpose: 'session' },
  ])
  t.equal(agents.agent('pod-1').serving?.sessionToken, createSessionTokens(hmacSecret).mint(session.id, 2))
})

void t.test('each attempt gives its pod a LiveKit token of its own', async (t) => {
  const access = (holder: string) => async (room: string) => ({
    url: 'wss://h',
    room,
    token: holder,
    expiresAt: 'e',
  })
  const roomAccess: RoomAccess = {
    forParticipant: ({ room }, { identity }) => access(identity)(room),
    forAgent: ({ room, id, epoch }) => access(`agent of ${id} in ${epoch}`)(room),
  }
  const { api, agents, moods } = await startBed(t, 2, { roomAccess })
  moods('refuse')
  const { session, livekit } = await api.open({ participant: { identity: 'ann' } })
  t.match(agents.agent('pod-1').serving, {
    livekit: { room: session.room, token: `agent of ${session.id} in 2` },
  })
  t.match(livekit, { room: session.room, token: 'ann' })
})

void t.test('a token that cannot be made fails the open, and nothing else', async (t) => {
  const cannot = () => Promise.reject(new Error('no entropy'))
  const { api, sessions } = await startBed(t, 2, { roomAccess: { forParticipant: cannot, forAgent: cannot } })
  await t.rejects(api.open({}), /no entropy/)
  t.same(await sessions.list({ limit: 9, status: 'ACTIVE' }), [])
})

void t.test('when every pod refuses the open fails, and its key may be tried again', async (t) => {
  const { api, moods, sessions, claims } = await startBed(t, 5, { poolSize: 1_000 })
  moods('refuse', 'refuse', 'refuse')
  const key = { idempotencyKey: 'k' }
  await t.rejects(api.open({}, key), { code: 'GRN_DELIVERY_FAILED', status: 503, retryAfterMs: 1_000 })
  const [failed] = await sessions.list({ limit: 1 })
  t.match(failed, { status: 'ENDED', endReason: 'failed:delivery', epoch: 3 })
  t.same(
    (await claims()).map((claim) => claim.purpose),
    ['retired', 'retired', 'retired'],
  )
  const again = await api.open({}, key)
  t.match(again, {
    replayed: false,
    session: { id: failed?.id, status: 'ACTIVE', epoch: 4, pod: { uid: 'pod-3' } },
  })
})

void t.test('the pool runs out while pods refuse: the session ends as such', async (t) => {
  const { api, moods, sessions } = await startBed(t, 1)
  moods('refuse')
  await t.rejects(api.open(), { code: 'GRN_POOL_EMPTY' })
  t.match((await sessions.list({ limit: 1 }))[0], { status: 'ENDED', endReason: 'failed:pool-empty' })
})

void t.test('failed deliveries degrade the pool for ten seconds instead of eating it', async (t) => {
  let time = 0
  const { api, moods, agents, claims } = await startBed(t, 30, { now: () => performance.now() + time })
  moods(...agents.all().map(() => 'refuse' as const))
  const outcomes = await Promise.allSettled(Array.from({ length: 10 }, () => api.open()))
  const codes = outcomes.map((outcome) => outcome.status === 'rejected' && outcome.reason.code)
  t.ok(
    codes.every((code) => code === 'GRN_POOL_DEGRADED' || code === 'GRN_DELIVERY_FAILED'),
    String(codes),
  )
  const used = (await claims()).length
  t.ok(used <= 10 + 2 * 2, `${used} pods: those in flight, and what the two that may go on took`)
  await t.rejects(api.open(), { code: 'GRN_POOL_DEGRADED', retryAfterMs: 10_000 })
  t.equal((await claims()).length, used)
  for (const agent of agents.all()) agent.mood = 'accept'
  time = 10_001
  t.match(await api.open(), { session: { status: 'ACTIVE' } })
})

void t.test(
  'one key and one body are one session on one pod, at once and later, here and elsewhere',
  async (t) => {
    const { api, replica, claims, agents } = await startBed(t, 20)
    const other = await replica({ name: 'api-2' })
    const request = { metadata: { a: 1, b: 2 }, secrets: { KEY: 's' } }
    const context = { idempotencyKey: 'k' }
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, n) => (n % 2 === 0 ? api : other).open(request, context)),
    )
    const later = await other.open({ secrets: { KEY: 's' }, metadata: { b: 2, a: 1 } }, context)
    const all = [...answers, later]
    t.equal(new Set(all.map((answer) => answer.session.id)).size, 1)
    t.ok(all.every((answer) => answer.session.status === 'ACTIVE'))
    t.equal(answers.filter((answer) => !answer.replayed).length, 1, 'one made it, the others followed')
    t.equal(later.replayed, true)
    t.equal((await claims()).length, 1)
    t.equal(agents.all().filter((agent) => agent.serving).length, 1)
  },
)

void t.test('one key and another body is a mismatch, at once and later', async (t) => {
  const { api, claims } = await startBed(t, 3)
  const context = { idempotencyKey: 'k' }
  const mismatch = { code: 'GRN_IDEMPOTENCY_MISMATCH' }
  const first = api.open({ metadata: { a: 1 } }, context)
  await t.rejects(api.open({ metadata: { a: 2 } }, context), mismatch)
  await first
  await t.rejects(api.open({ metadata: { a: 1 }, secrets: { KEY: 'new' } }, context), mismatch)
  t.equal((await claims()).length, 1)
  const project = await api.open({ metadata: { a: 2 }, projectId: 'p2' }, context)
  t.equal(project.replayed, false, 'keys belong to their project')
})

void t.test('a key whose session is over is used up: no open looks as if it had worked', async (t) => {
  const { api, sessions, ledger, claims } = await startBed(t, 2)
  const context = { idempotencyKey: 'k' }
  const { session } = await api.open({}, context)
  await sessions.beginEnding(session.id, endReason.caller)
  const usedUp = (status: string) => ({
    code: 'GRN_KEY_USED_UP',
    status: 409,
    message: `The session of this Idempotency-Key, ${session.id}, is ${status} (ended:caller).`,
  })
  await t.rejects(api.open({}, context), usedUp('ENDING'))
  await ledger.finishEnding([session.id])
  const retries = await Promise.allSettled([api.open({}, context), api.open({}, context)])
  for (const retry of retries) t.match(retry, { status: 'rejected', reason: usedUp('ENDED') })
  await t.rejects(api.open({ metadata: { other: 1 } }, context), {
    code: 'GRN_IDEMPOTENCY_MISMATCH',
  })
  t.equal((await claims()).length, 1, 'no pod is taken')
})

void t.test('a PENDING row of a replica that died is delivered by who asks again', async (t) => {
  const { replica, agents, claims } = await startBed(t, 2)
  const hanging = Promise.withResolvers<DeliveryOutcome>()
  const dead = await replica({
    delivery: { ...unasked, assign: () => hanging.promise, end: () => hanging.promise },
  })
  const request = { secrets: { KEY: 's' } }
  const context = { idempotencyKey: 'k' }
  const lost = dead.open(request, context)
  await until('committed', async () => (await claims()).length === 1)
  const alive = await replica({ name: 'api-2' })
  t.match(await alive.open(request, context), {
    replayed: true,
    session: { status: 'ACTIVE', pod: { uid: 'pod-0' } },
  })
  t.match(agents.agent('pod-0').serving, { epoch: 1, secrets: { KEY: 's' } })
  t.equal((await claims()).length, 1)
  hanging.resolve({ kind: 'accepted', echo: { podUid: 'pod-0', sessionId: 'x', epoch: 1 } })
  t.match(await lost, { replayed: false, session: { status: 'ACTIVE' } }, 'the first one was only slow')
})

void t.test('a pod that dies under a PENDING session is not answered as a session', async (t) => {
  const bed = await startBed(t, 3)
  const delivery: AgentDelivery = {
    ...unasked,
    async assign(pod) {
      await bed.ledger.endOnPods([{ podUid: pod.uid, reason: endReason.podDied }])
      return { kind: 'unreachable', reason: 'no connection in time' }
    },
    end: async () => ({ kind: 'unreachable', reason: 'gone' }),
  }
  const api = await bed.replica({ delivery })
  await t.rejects(api.open(), { code: 'GRN_DELIVERY_FAILED' })
})

void t.test('a session ended while it was opened is over', async (t) => {
  const bed = await startBed(t, 3)
  const delivery: AgentDelivery = {
    ...unasked,
    async assign({ uid }, { sessionId, epoch }) {
      await bed.sessions.beginEnding(sessionId, endReason.caller)
      return { kind: 'accepted', echo: { podUid: uid, sessionId, epoch } }
    },
    end: async () => ({ kind: 'unreachable', reason: 'gone' }),
  }
  const api = await bed.replica({ delivery })
  await t.rejects(api.open(), { code: 'GRN_SESSION_OVER' })
})

// --- faults ----------------------------------------------------------------------------------------------------------

void t.test('PostgreSQL down: refused in under 2 s, and the slot is free again', async (t) => {
  const { api, index } = await startBed(t, 2)
  await api.open()
  await database.server.stop()
  const begun = performance.now()
  await t.rejects(api.open(), { code: 'GRN_DATABASE_UNAVAILABLE', retryAfterMs: 1_000 })
  t.ok(performance.now() - begun < 2_000)
  t.equal(await index.size(agentType), 1)
  await database.server.restart()
  await until('open again', () =>
    api.open().then(
      () => true,
      () => false,
    ),
  )
})

void t.test('secrets are in the pod and nowhere else', async (t) => {
  const secret = 'sk-no-store-may-hold-me'
  const { logger, lines } = keptLog('trace')
  const { api, moods, postgres, redis, agents } = await startBed(t, 4, { logger })
  moods('refuse')
  const request = { secrets: { KEY: secret }, metadata: { seen: 'metadata-is-kept' } }
  await api.open(request, { idempotencyKey: 'k' })
  t.equal(agents.agent('pod-1').serving?.secrets?.KEY, secret)
  const tables = await postgres.durable.query(
    `SELECT (SELECT json_agg(s) FROM sessions s)::text || (SELECT json_agg(c) FROM pod_claims c)::text AS text`,
  )
  const keys = await redis.keys('*')
  const dumps = await Promise.all(keys.map((key) => redis.dumpBuffer(key)))
  const metrics = await api.metrics.registry.metrics()
  t.match(tables.rows[0].text, /metadata-is-kept/, 'the search finds what is there')
  for (const [where, text] of Object.entries({
    PostgreSQL: tables.rows[0].text,
    Redis: dumps.map((dump) => dump?.toString('latin1')).join() + keys.join(),
    logs: lines.join(),
    metrics,
    wakes: JSON.stringify(api.published),
  })) {
    t.notMatch(text, secret, where)
    t.notMatch(text, 'grs_', `${where}: no session token either`)
  }
  t.match(lines.join(), /pod did not take the session/)
})

void t.test('a row that a lost reply left is followed, not doubled', async (t) => {
  const { api, sessions, claims } = await startBed(t, 2)
  const context = { idempotencyKey: 'k' }
  const first = await api.open({}, context)
  // As a replica would that has not seen the row and reserves for the same session.
  t.match(
    await sessions.commitOpen(
      newRecord({ id: first.session.id, pod: { uid: 'pod-1', name: 'n', ip: '127.0.0.1' } }),
    ),
    {
      kind: 'session-exists',
    },
  )
  assert.equal((await claims()).length, 1)
})

void t.test('a pod whose Ready has not reached this replica yet is waited for, not thrown out', async (t) => {
  const { api, agents, index } = await startBed(t, 1)
  agents.pods.set(readyPod({ uid: 'pod-0', ip: '127.77.1.1', readySince: undefined }))
  const open = api.open()
  await until('reserved', async () => (await index.size(agentType)) === 0)
  agents.pods.set(readyPod({ uid: 'pod-0', ip: '127.77.1.1' }))
  t.match((await open).session, { pod: { uid: 'pod-0' }, epoch: 1 })
})
