import assert from 'node:assert/strict'
import t, { type Test } from 'tap'
import { endReason, type Session } from '../../src/domain/session.ts'
import { createPostgresClaimLedger } from '../../src/stores/postgres-claim-ledger.ts'
import { createPostgresSessionStore } from '../../src/stores/postgres-session-store.ts'
import { newId, newRecord, podNamed, postgresFor, startDatabase } from './store-servers.ts'

const database = await startDatabase(t)

async function freshStore(t: Test, options: { max?: number } = {}) {
  const postgres = await postgresFor(t, database, options)
  return {
    postgres,
    store: createPostgresSessionStore(postgres),
    ledger: createPostgresClaimLedger(postgres),
    claims: async () =>
      (
        await postgres.durable.query(
          'SELECT pod_uid, purpose, session_id, epoch, reason FROM pod_claims ORDER BY 1',
        )
      ).rows,
    sessionCount: async () => (await postgres.durable.query('SELECT FROM sessions')).rowCount,
  }
}

/** Opens and hands back the row; a test that cannot do so has nothing to test. */
async function opened(
  store: ReturnType<typeof createPostgresSessionStore>,
  overrides = {},
): Promise<Session> {
  const outcome = await store.commitOpen(newRecord(overrides))
  assert.equal(outcome.kind, 'committed')
  return (outcome as { session: Session }).session
}

void t.test('an open claims its pod and writes the session', async (t) => {
  const { store, claims } = await freshStore(t)
  const record = newRecord({ fingerprint: 'f' })
  const outcome = await store.commitOpen(record)
  t.match(outcome, {
    kind: 'committed',
    session: {
      id: record.id,
      status: 'PENDING',
      endReason: undefined,
      participant: { identity: 'ann' },
      metadata: { topic: 'tea' },
      fingerprint: 'f',
      epoch: 1,
      pod: record.pod,
      leaseMs: 60_000,
      activeAt: undefined,
    },
  })
  const session = await store.get(record.id)
  t.same(session, outcome.kind === 'committed' && outcome.session)
  t.equal((session?.leaseExpiresAt ?? 0) - (session?.createdAt ?? 0) > 59_990, true)
  t.match(await claims(), [{ pod_uid: record.pod.uid, purpose: 'session', session_id: record.id, epoch: 1 }])
  t.equal(await store.get(newId()), undefined)
})

void t.test('what a caller left out comes back as undefined', async (t) => {
  const { store } = await freshStore(t)
  const nothing = { projectId: undefined, participant: undefined, metadata: undefined }
  t.match(await opened(store, nothing), nothing)
})

void t.test('a taken pod and an existing session are told apart', async (t) => {
  const { store, claims, sessionCount, ledger } = await freshStore(t)
  const first = await opened(store)
  t.same(await store.commitOpen(newRecord({ pod: podNamed(first.pod?.uid ?? '') })), { kind: 'pod-taken' })
  await ledger.retire(['retired'], 'surplus')
  t.same(await store.commitOpen(newRecord({ pod: podNamed('retired') })), { kind: 'pod-taken' })
  const again = { kind: 'session-exists', session: first }
  t.same(await store.commitOpen(newRecord({ id: first.id, pod: podNamed('free') })), again)
  t.same(await store.commitOpen(newRecord({ id: first.id })), again, 'both at once: the session decides')
  t.equal((await claims()).length, 2, 'neither left a claim')
  t.equal(await sessionCount(), 1)
})

void t.test('a refused claim keeps its connection', async (t) => {
  const { store, postgres } = await freshStore(t, { max: 1 })
  const first = await opened(store)
  const backend = async () => (await postgres.durable.query('SELECT pg_backend_pid() AS pid')).rows[0].pid
  const before = await backend()
  await store.commitOpen(newRecord({ pod: podNamed(first.pod?.uid ?? '') }))
  t.equal(await backend(), before)
})

void t.test('50 sessions that want 10 pods at once: each pod goes to one', async (t) => {
  const { store, claims, sessionCount } = await freshStore(t)
  const outcomes = await Promise.all(
    Array.from({ length: 50 }, (_, n) => store.commitOpen(newRecord({ pod: podNamed(`pod-${n % 10}`) }))),
  )
  const committed = outcomes.flatMap((outcome) =>
    outcome.kind === 'committed' ? [outcome.session.pod?.uid] : [],
  )
  t.equal(committed.length, 10)
  t.equal(new Set(committed).size, 10)
  t.equal(outcomes.filter((outcome) => outcome.kind === 'pod-taken').length, 40)
  t.equal((await claims()).length, 10)
  t.equal(await sessionCount(), 10)
})

void t.test('one session that 20 replicas open at once takes one pod', async (t) => {
  const { store, claims } = await freshStore(t)
  const id = newId()
  const outcomes = await Promise.all(
    Array.from({ length: 20 }, (_, n) => store.commitOpen(newRecord({ id, pod: podNamed(`pod-${n}`) }))),
  )
  t.equal(outcomes.filter((outcome) => outcome.kind === 'committed').length, 1)
  t.equal(outcomes.filter((outcome) => outcome.kind === 'session-exists').length, 19)
  t.equal((await claims()).length, 1)
})

void t.test('the next attempt retires the pod that failed, in the same transaction', async (t) => {
  const { store, claims } = await freshStore(t)
  const pending = await opened(store, { pod: podNamed('bad') })
  const other = await opened(store, { pod: podNamed('taken') })
  const next = (uid: string, epoch: number) => ({ pod: podNamed(uid), epoch, reason: 'refused: status 409' })
  t.same(await store.commitNextAttempt(pending, next('taken', 2)), { kind: 'pod-taken' })
  t.match(await claims(), [{ pod_uid: 'bad', purpose: 'session' }, { pod_uid: 'taken' }], 'neither or both')
  t.match(await store.commitNextAttempt(pending, next('good', 3)), {
    kind: 'committed',
    session: { id: pending.id, status: 'PENDING', epoch: 3, pod: { uid: 'good', name: 'name-good' } },
  })
  t.match(await claims(), [
    { pod_uid: 'bad', purpose: 'retired', session_id: pending.id, reason: 'refused: status 409' },
    { pod_uid: 'good', purpose: 'session', session_id: pending.id, epoch: 3 },
    { pod_uid: 'taken', purpose: 'session', session_id: other.id },
  ])
  t.match(await store.commitNextAttempt(pending, next('late', 4)), {
    kind: 'session-exists',
    session: { epoch: 3 },
  })
  t.equal((await claims()).length, 3, 'the late one claimed nothing')
})

void t.test('activation happens once, in its epoch, and starts the lease', async (t) => {
  const { store } = await freshStore(t)
  const pending = await opened(store, { leaseMs: 60_000, maxSessionMs: 30_000 })
  t.equal(await store.activate(pending.id, 2), undefined)
  const active = await store.activate(pending.id, 1)
  t.match(active, { status: 'ACTIVE', epoch: 1 })
  t.ok((active?.activeAt ?? 0) >= pending.createdAt)
  t.equal(
    Math.round((active?.leaseExpiresAt ?? 0) - pending.createdAt),
    30_000,
    'the longest session caps the lease',
  )
  t.equal(await store.activate(pending.id, 1), undefined)
})

void t.test('a failed open ends, its pod is retired, and the record may start again', async (t) => {
  const { store, claims } = await freshStore(t)
  const pending = await opened(store, { pod: podNamed('bad'), fingerprint: 'f' })
  t.equal(
    await store.failOpen({ ...pending, epoch: 2 }, endReason.deliveryFailed, { kind: 'retire', reason: 'x' }),
    undefined,
  )
  const failed = await store.failOpen(pending, endReason.deliveryFailed, {
    kind: 'retire',
    reason: 'unreachable',
  })
  assert.ok(failed)
  t.match(failed, { status: 'ENDED', endReason: 'failed:delivery' })
  t.match(await claims(), [{ pod_uid: 'bad', purpose: 'retired', reason: 'unreachable' }])
  const record = (uid: string, epoch: number) =>
    newRecord({ id: failed.id, pod: podNamed(uid), epoch, fingerprint: 'f2', metadata: { again: true } })
  t.same(await store.reopen(failed, record('bad', 2)), { kind: 'pod-taken' })
  t.match(await store.reopen(failed, record('same-epoch', 1)), { kind: 'pod-taken' }, 'epochs only go up')
  t.match(await store.reopen(failed, record('good', 2)), {
    kind: 'committed',
    session: {
      status: 'PENDING',
      endReason: undefined,
      endedAt: undefined,
      epoch: 2,
      pod: { uid: 'good' },
      metadata: { again: true },
    },
  })
  t.match(await store.reopen(failed, record('later', 3)), { kind: 'session-exists', session: { epoch: 2 } })
  t.equal((await claims()).length, 2)
})

void t.test('a key whose record was purged is opened like a new one', async (t) => {
  const { store, ledger } = await freshStore(t)
  const failed = await store.failOpen(await opened(store), endReason.deliveryFailed, {
    kind: 'retire',
    reason: 'x',
  })
  assert.ok(failed)
  await ledger.purge({ sessionsAfterMs: -1_000, claimsAfterMs: 1e12, limit: 10 })
  t.equal(await store.get(failed.id), undefined)
  const record = newRecord({ id: failed.id, pod: podNamed('free'), epoch: 2 })
  t.match(await store.reopen(failed, record), { kind: 'committed', session: { epoch: 2 } })
  t.equal((await ledger.claimsOf([failed.pod?.uid ?? ''])).get(failed.pod?.uid ?? '')?.sessionStatus, 'ENDED')
})

void t.test('only what failed is opened again', async (t) => {
  const { store, ledger } = await freshStore(t)
  const session = await opened(store)
  await store.beginEnding(session.id, endReason.caller)
  await ledger.finishEnding([session.id])
  const ended = await store.get(session.id)
  assert.ok(ended)
  await store.reopen(ended, newRecord({ id: session.id, epoch: 2, pod: podNamed('other') }))
  t.match(await store.get(session.id), { status: 'ENDED', endReason: 'ended:caller', epoch: 1 })
})

void t.test('renewing extends the lease of a live session in its epoch', async (t) => {
  const { store, postgres } = await freshStore(t)
  const session = await opened(store, { maxSessionMs: 90_000 })
  await store.activate(session.id, 1)
  const shorten = (ms: number) =>
    postgres.durable.query(
      `UPDATE sessions SET lease_expires_at = now() + $2 * interval '1 ms' WHERE id = $1`,
      [session.id, ms],
    )
  await shorten(1_000)
  const renewed = await store.renew(session.id, 1)
  t.equal(renewed.kind, 'done')
  t.ok(renewed.kind === 'done' && renewed.session.leaseExpiresAt - session.createdAt > 59_000)
  await shorten(80_000)
  const long = await store.renew(session.id, 1)
  t.ok(
    long.kind === 'done' && long.session.leaseExpiresAt - session.createdAt > 79_000,
    'it is never shortened',
  )
  await postgres.durable.query(`UPDATE sessions SET max_ends_at = now() + interval '5 s'`)
  const capped = await store.renew(session.id, 1)
  t.ok(
    capped.kind === 'done' && capped.session.leaseExpiresAt - session.createdAt < 10_000,
    'no longer than the session may last',
  )
  t.match(await store.renew(session.id, 2), { kind: 'stale-epoch', session: { epoch: 1 } })
  t.same(await store.renew(newId(), 1), { kind: 'not-found' })
  await store.beginEnding(session.id, endReason.caller)
  t.match(await store.renew(session.id, 1), { kind: 'over', session: { status: 'ENDING' } })
})

void t.test('ending begins once; asked again it is done', async (t) => {
  const { store, ledger } = await freshStore(t)
  const session = await opened(store)
  t.match(await store.beginEnding(session.id, endReason.caller, 2), { kind: 'stale-epoch' })
  t.match(await store.beginEnding(session.id, endReason.agent, 1), {
    kind: 'done',
    session: { status: 'ENDING', endReason: 'ended:agent' },
  })
  t.match(await store.beginEnding(session.id, endReason.caller), {
    kind: 'done',
    session: { endReason: 'ended:agent' },
  })
  await ledger.finishEnding([session.id])
  t.match(await store.beginEnding(session.id, endReason.caller), {
    kind: 'done',
    session: { status: 'ENDED' },
  })
  t.same(await store.beginEnding(newId(), endReason.caller), { kind: 'not-found' })
})

void t.test('history counts the newest thousand of a type', async (t) => {
  const { store } = await freshStore(t)
  for (const warm of [true, true, false]) await opened(store, { warm })
  await opened(store, { agentType: 'other', warm: false })
  t.same(await store.poolHistory('echo-agent'), { opened: 3, warm: 2 })
  t.same(await store.poolHistory('nothing'), { opened: 0, warm: 0 })
})

void t.test('lists filter', async (t) => {
  const { store } = await freshStore(t)
  const a = await opened(store, { projectId: 'p1' })
  const b = await opened(store, { projectId: 'p2', agentType: 'other' })
  await store.activate(b.id, 1)
  const ids = async (query: Parameters<typeof store.list>[0]) =>
    (await store.list(query)).map((session) => session.id)
  t.same(await ids({ limit: 10 }), [b.id, a.id], 'newest first')
  t.same(await ids({ limit: 10, projectId: 'p1' }), [a.id])
  t.same(await ids({ limit: 10, agentType: 'other' }), [b.id])
  t.same(await ids({ limit: 10, status: 'PENDING' }), [a.id])
  t.same(await ids({ limit: 1, status: 'PENDING', projectId: 'p2' }), [])
})

void t.test('pages skip and repeat nothing, to the microsecond and among equals', async (t) => {
  const { store, postgres } = await freshStore(t)
  // 400 rows over 40 µs, so that ties and neighbours of one microsecond are the rule.
  await postgres.durable.query(`
    INSERT INTO sessions (id, status, agent_type, room_name, room, epoch, pod_uid, pod_name, pod_ip, warm, lease_ms,
      lease_expires_at, max_ends_at, created_at)
    SELECT gen_random_uuid(), 'PENDING', 'echo-agent', 'r', 'r', 1, 'p' || n, 'p', '127.0.0.1', true, 1000, now(), now(),
      '2026-11-20 10:00:00.123456+00'::timestamptz + (n % 40) * interval '1 microsecond'
    FROM generate_series(1, 400) AS n`)
  const { rows } = await postgres.durable.query('SELECT id FROM sessions ORDER BY created_at DESC, id DESC')
  const seen: string[] = []
  let before: { createdAt: number; id: string } | undefined
  for (;;) {
    const page: readonly Session[] = await store.list({ limit: 7, ...(before && { before }) })
    const last = page.at(-1)
    if (!last) break
    seen.push(...page.map((session) => session.id))
    // As a cursor of the API travels.
    before = JSON.parse(JSON.stringify({ createdAt: last.createdAt, id: last.id }))
  }
  t.same(
    seen,
    rows.map((row) => row.id),
  )
  for (const createdAt of [1e300, -1e300]) {
    await t.resolves(
      store.list({ limit: 1, before: { createdAt, id: newId() } }),
      'a forged cursor is no error',
    )
  }
})

void t.test('an activation is flushed before anybody hears of it; a renewal need not be', async (t) => {
  const { postgres } = await freshStore(t)
  const flushes = async (pool: typeof postgres.durable) =>
    (await pool.query<{ synchronous_commit: string }>('SHOW synchronous_commit')).rows[0]?.synchronous_commit
  t.same([await flushes(postgres.durable), await flushes(postgres.relaxed)], ['on', 'off'])
  // The statement itself runs where the first of these is true.
  const used: string[] = []
  for (const [name, pool] of [
    ['durable', postgres.durable],
    ['relaxed', postgres.relaxed],
  ] as const)
    pool.on('acquire', () => used.push(name))
  const own = createPostgresSessionStore(postgres)
  const { id } = await opened(own)
  used.length = 0
  await own.activate(id, 1)
  await own.renew(id, 1)
  t.same(used, ['durable', 'relaxed'])
})

void t.test('an agent does not keep a session that nobody may know of; its caller does', async (t) => {
  const { store, postgres } = await freshStore(t)
  const pending = await opened(store)
  await postgres.durable.query(`UPDATE sessions SET lease_expires_at = now() + interval '1 s'`)
  const before = (await store.get(pending.id))?.leaseExpiresAt
  t.match(await store.renew(pending.id, 1, true), { kind: 'done', session: { leaseExpiresAt: before } })
  await store.activate(pending.id, 1)
  await postgres.durable.query(`UPDATE sessions SET lease_expires_at = now() + interval '1 s'`)
  const renewed = await store.renew(pending.id, 1, true)
  t.ok(renewed.kind === 'done' && renewed.session.leaseExpiresAt > (before ?? 0) + 50_000)
})

void t.test(
  'groups: every open of a storm with colliding pods and keys is answered as if alone',
  async (t) => {
    const { store, claims, sessionCount } = await freshStore(t)
    const records = Array.from({ length: 200 }, (_, n) =>
      newRecord({ pod: podNamed(`pod-${n % 120}`), ...(n % 50 === 0 && { id: newId() }) }),
    )
    const twice = [...records, ...records.slice(0, 30)]
    const outcomes = await Promise.all(twice.map((record) => store.commitOpen(record)))
    const committed = outcomes.filter(({ kind }) => kind === 'committed')
    t.equal(committed.length, 120)
    t.equal(await sessionCount(), 120)
    t.equal((await claims()).length, 120)
  },
)

void t.test('one that PostgreSQL refuses does not fail those that came with it', async (t) => {
  const { store } = await freshStore(t)
  const bad = newRecord({ metadata: { text: 'a\u0000b' } })
  const outcomes = await Promise.allSettled([newRecord(), bad, newRecord()].map((r) => store.commitOpen(r)))
  t.same(
    outcomes.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  )
})

void t.test('a pod that never heard of a failed open is free again; its session has ended', async (t) => {
  const { store, claims } = await freshStore(t)
  const pending = await opened(store, { pod: podNamed('untouched') })
  t.equal(
    await store.failOpen({ ...pending, epoch: 2 }, endReason.deliveryFailed, { kind: 'release' }),
    undefined,
  )
  t.equal((await claims()).length, 1, 'not for an older attempt')
  t.match(await store.failOpen(pending, endReason.deliveryFailed, { kind: 'release' }), { status: 'ENDED' })
  t.same(await claims(), [])
  t.match(await store.commitOpen(newRecord({ pod: podNamed('untouched') })), { kind: 'committed' })
})
