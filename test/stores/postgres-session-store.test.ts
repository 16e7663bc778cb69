import assert from 'node:assert/strict'
import t, { type Test } from 'tap'
import type { LeaseHolder } from '../../src/domain/lease-holder.ts'
import { endReason, type Session } from '../../src/domain/session.ts'
import { createPostgresSessionStore } from '../../src/stores/postgres-session-store.ts'
import { newId, newRecord, podNamed } from './open-records.ts'
import { freshStoreOn, opened } from './session-store-bed.ts'
import { startDatabase } from './store-servers.ts'

const database = await startDatabase(t)
const freshStore = (t: Test, options?: { max?: number }) => freshStoreOn(database, t, options)

void t.test('activation happens once, in its epoch, and starts the lease', async (t) => {
  const { store } = await freshStore(t)
  const pending = await opened(store, { leaseMs: 60_000, maxSessionMs: 30_000 })
  t.equal(await store.activate(pending.id, 2), undefined)
  const active = await store.activate(pending.id, 1)
  t.match(await store.get(pending.id), { ...active, status: 'ACTIVE', epoch: 1 })
  t.ok((active?.activeAt ?? 0) >= pending.createdAt)
  t.equal(
    Math.round((active?.leaseExpiresAt ?? 0) - pending.createdAt),
    30_000,
    'the longest session caps the lease',
  )
  t.equal(await store.activate(pending.id, 1), undefined)
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
  t.same([...(await store.poolHistory(['echo-agent', 'nothing']))], [['echo-agent', { opened: 3, warm: 2 }]])
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

void t.test(
  'a search finds by id, its beginning, pod and room, within the project and the other filters',
  async (t) => {
    const { store, postgres } = await freshStore(t)
    const a = await opened(store, {
      id: 'a5e1c0de-1234-4000-8000-000000000001',
      projectId: 'a',
      roomName: 'lobby',
    })
    const b = await opened(store, { projectId: 'b', roomName: 'lobby' })
    const found = async (query: { search: string; projectId?: string; status?: 'ENDED' }) =>
      (await store.list({ limit: 10, ...query })).map(({ id }) => id)
    t.same(await found({ search: a.id }), [a.id])
    t.same(await found({ search: a.id.slice(0, 13).toUpperCase() }), [a.id])
    t.same(await found({ search: a.id.slice(0, 7) }), [], 'too short for an id')
    t.same(await found({ search: String(a.pod?.name) }), [a.id])
    t.same(await found({ search: 'lobby' }), [b.id, a.id])
    t.same(await found({ search: a.room }), [a.id])
    t.same(await found({ search: 'lobby', projectId: 'a' }), [a.id])
    t.same(await found({ search: b.id, projectId: 'a' }), [], "another project's is not there")
    t.same(await found({ search: 'lobby', status: 'ENDED' }), [])
    for (const search of ["' OR 1=1 --", '%', 'ffffffff-ffff-ffff-ffff-ffffffffffffff', '-'.repeat(300)])
      t.same(await found({ search }), [], search)
    // In parts: a statement has 900 ms.
    for (let part = 0; part < 5; part += 1)
      await postgres.durable.query(
        `INSERT INTO sessions (id, status, agent_type, room_name, room, epoch, lease_ms, lease_held_by, lease_expires_at, max_ends_at, warm, end_reason, ended_at)
       SELECT gen_random_uuid(), 'ENDED', 'x', 'other', 'r', 1, 1, 'both', now(), now(), true, 'ended:caller', now() FROM generate_series(1, 4000)`,
      )
    t.same(await found({ search: 'lobby' }), [], 'names are looked for among the newest 20,000')
    t.same(await found({ search: a.id }), [a.id], 'an id is found however old')
  },
)

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
  'the party that does not hold the lease extends nothing, and hears how the session stands',
  async (t) => {
    const { store, postgres } = await freshStore(t)
    const renewing = async (leaseHeldBy: LeaseHolder) => {
      const { id } = await opened(store, { leaseHeldBy })
      await store.activate(id, 1)
      return async (...byAgent: readonly boolean[]): Promise<boolean> => {
        await postgres.durable.query(
          `UPDATE sessions SET lease_expires_at = created_at - interval '1 s' WHERE id = $1`,
          [id],
        )
        const before = (await store.get(id))?.leaseExpiresAt ?? 0
        // At once: they are one statement.
        const outcomes = await Promise.all(byAgent.map((by) => store.renew(id, 1, by)))
        for (const outcome of outcomes) t.match(outcome, { kind: 'done', session: { id, status: 'ACTIVE' } })
        return ((await store.get(id))?.leaseExpiresAt ?? 0) > before
      }
    }
    for (const [holder, byCaller, byAgent] of [
      ['caller', true, false],
      ['agent', false, true],
      ['both', true, true],
    ] as const) {
      const renewed = await renewing(holder)
      t.equal(await renewed(false), byCaller, `held by ${holder}: its caller renews`)
      t.equal(await renewed(true), byAgent, `held by ${holder}: its agent renews`)
      t.equal(await renewed(true, false), true, `held by ${holder}: both at the same moment`)
      t.equal(await renewed(true, true), byAgent, `held by ${holder}: its agent twice`)
    }
  },
)

void t.test(
  'a session keeps the holder that it was opened with; a record that starts again has the new one',
  async (t) => {
    const { store } = await freshStore(t)
    const session = await opened(store, { leaseHeldBy: 'caller' })
    t.equal(session.leaseHeldBy, 'caller')
    t.same(await store.get(session.id), session)
    const next = { pod: podNamed('second'), epoch: 2, reason: 'refused' }
    t.match(await store.commitNextAttempt(session, next), { session: { leaseHeldBy: 'caller', epoch: 2 } })
    const second = { ...session, epoch: 2, pod: next.pod }
    const ended = await store.failOpen(second, endReason.deliveryFailed, { kind: 'release' })
    assert(ended)
    const again = newRecord({ id: session.id, epoch: 3, pod: podNamed('third'), leaseHeldBy: 'agent' })
    t.match(await store.reopen(ended, again), { kind: 'committed', session: { leaseHeldBy: 'agent' } })
    const failed = await store.failOpen({ ...second, epoch: 3 }, endReason.deliveryFailed, {
      kind: 'release',
    })
    t.equal(failed?.status, 'ENDED')
    const { pod: _pod, warm: _warm, ...record } = again
    const cold = {
      ...record,
      epoch: 4,
      leaseHeldBy: 'caller',
      pendingMs: 60_000,
      heldByReplica: 'api-1',
    } as const
    t.match(await store.openCold({ ...cold, adoptable: true, mostWaiting: 5 }), {
      kind: 'committed',
      session: { leaseHeldBy: 'caller', epoch: 4 },
    })
  },
)
