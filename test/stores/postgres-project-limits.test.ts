import t, { type Test } from 'tap'
import { until } from '../../bed/processes/until.ts'
import { endReason } from '../../src/domain/session.ts'
import type { OpenRecord } from '../../src/domain/session-ports.ts'
import { createPostgresClaimLedger } from '../../src/stores/postgres-claim-ledger.ts'
import { createPostgresInvariantReader } from '../../src/stores/postgres-invariant-reader.ts'
import { createPostgresProjectLimits } from '../../src/stores/postgres-project-limits.ts'
import { createPostgresSessionStore } from '../../src/stores/postgres-session-store.ts'
import { someActor } from '../support/some-actor.ts'
import { newRecord, podNamed } from './open-records.ts'
import { postgresFor, startDatabase } from './store-servers.ts'

const database = await startDatabase(t)

async function freshLimits(t: Test) {
  const url = await database.fresh()
  const postgres = await postgresFor(t, database, { url })
  const limits = createPostgresProjectLimits(postgres)
  return {
    url,
    postgres,
    limits,
    store: createPostgresSessionStore(postgres),
    ledger: createPostgresClaimLedger(postgres),
    countOf: async (projectId: string) => (await limits.get(projectId))?.sessions,
  }
}

type Store = Awaited<ReturnType<typeof freshLimits>>['store']

async function openMany(store: Store, count: number, overrides: Partial<OpenRecord> = {}) {
  const outcomes = await Promise.all(
    Array.from({ length: count }, () => store.commitOpen(newRecord(overrides))),
  )
  return {
    sessions: outcomes.flatMap((outcome) => (outcome.kind === 'committed' ? [outcome.session] : [])),
    full: outcomes.filter(({ kind }) => kind === 'project-full').length,
  }
}

const coldFacts = { heldByReplica: 'api-1', pendingMs: 60_000, adoptable: true, mostWaiting: 100 }

function coldRecord(overrides: Partial<OpenRecord> = {}) {
  const { pod: _pod, warm: _warm, ...record } = newRecord(overrides)
  return { ...record, ...coldFacts }
}

void t.test('limits are kept, listed by project, and removed', async (t) => {
  const { limits } = await freshLimits(t)
  t.equal(await limits.get('tea'), undefined)
  t.match(await limits.set('tea', { maxSessions: 3, maxWaiting: 0 }, someActor), {
    projectId: 'tea',
    limits: { maxSessions: 3, maxWaiting: 0 },
    sessions: 0,
  })
  await limits.set('coffee', { opensPerMinute: 60 }, someActor)
  t.match(await limits.list({ limit: 9 }), [
    { projectId: 'coffee', sessions: undefined },
    { projectId: 'tea' },
  ])
  t.match(await limits.list({ after: 'coffee', limit: 9 }), [{ projectId: 'tea' }])
  t.same(
    await limits.all(),
    new Map([
      ['coffee', { opensPerMinute: 60 }],
      ['tea', { maxSessions: 3, maxWaiting: 0 }],
    ]),
  )
  t.same(
    (await limits.set('tea', { opensPerMinute: 1 }, someActor)).limits,
    { opensPerMinute: 1 },
    'the others are gone',
  )
  t.equal(await limits.remove('tea', someActor), true)
  t.equal(await limits.remove('tea', someActor), false)
})

void t.test('a project over its ceiling fails only its own rows of a group', async (t) => {
  const { store, limits, countOf } = await freshLimits(t)
  await limits.set('tea', { maxSessions: 5 }, someActor)
  const [tea, coffee, none] = await Promise.all([
    openMany(store, 20, { projectId: 'tea' }),
    openMany(store, 20, { projectId: 'coffee' }),
    openMany(store, 20, { projectId: undefined }),
  ])
  t.equal(tea.sessions.length, 5)
  t.equal(tea.full, 15)
  t.equal(coffee.sessions.length, 20)
  t.equal(none.sessions.length, 20)
  t.equal(await countOf('tea'), 5)
})

void t.test('a place is free again when the session is ENDED, not while its pod ends', async (t) => {
  const { store, limits, ledger, countOf } = await freshLimits(t)
  await limits.set('project-1', { maxSessions: 1 }, someActor)
  const record = newRecord()
  t.match(await store.commitOpen(record), { kind: 'committed' })
  await store.activate(record.id, 1)
  t.same(await store.commitOpen(newRecord()), { kind: 'project-full' })
  await store.beginEnding(record.id, endReason.caller)
  t.same(await store.commitOpen(newRecord()), { kind: 'project-full' })
  await ledger.finishEnding([record.id])
  await ledger.finishEnding([record.id])
  t.equal(await countOf('project-1'), 0)
  t.match(await store.commitOpen(newRecord()), { kind: 'committed' })
})

void t.test('opens that fail give their place back, and a retry under the key takes one again', async (t) => {
  const { store, limits, countOf } = await freshLimits(t)
  await limits.set('project-1', { maxSessions: 1 }, someActor)
  const record = newRecord({ fingerprint: 'f' })
  const first = await store.commitOpen(record)
  if (first.kind !== 'committed') throw new Error(first.kind)
  const attempt = { pod: podNamed('next'), epoch: 2, reason: 'refused' }
  const second = await store.commitNextAttempt(first.session, attempt)
  if (second.kind !== 'committed') throw new Error(second.kind)
  t.equal(await countOf('project-1'), 1, 'the next attempt is the same session')
  await store.failOpen(second.session, endReason.deliveryFailed, { kind: 'retire', reason: 'refused' })
  t.equal(await countOf('project-1'), 0)
  const ended = await store.get(record.id)
  if (!ended) throw new Error('no record')
  const again = { ...record, epoch: 3, pod: podNamed('third') }
  const other = await store.commitOpen(newRecord())
  if (other.kind !== 'committed') throw new Error(other.kind)
  t.same(await store.reopen(ended, again), { kind: 'project-full' })
  await store.failOpen(other.session, endReason.abandoned, { kind: 'release' })
  t.match(await store.reopen(ended, again), { kind: 'committed' })
  t.equal(await countOf('project-1'), 1)
})

void t.test('a cold open counts from its row on', async (t) => {
  const { store, limits, countOf } = await freshLimits(t)
  await limits.set('project-1', { maxSessions: 1 }, someActor)
  const cold = coldRecord()
  t.match(await store.openCold(cold), { kind: 'committed' })
  t.same(await store.openCold(coldRecord()), { kind: 'project-full' })
  t.match(await store.openCold(coldRecord({ projectId: undefined })), { kind: 'committed' })
  const session = await store.get(cold.id)
  if (!session) throw new Error('no record')
  await store.failOpen(session, endReason.poolEmpty, { kind: 'release' })
  t.equal(await countOf('project-1'), 0)
  t.match(await store.openCold({ ...cold, epoch: 2 }), { kind: 'committed' })
  t.equal(await countOf('project-1'), 1)
})

void t.test('a limit counts what is there, below it as well, and lets it end', async (t) => {
  const { store, limits, ledger, countOf } = await freshLimits(t)
  const { sessions } = await openMany(store, 4)
  t.match(await limits.set('project-1', { maxSessions: 2 }, someActor), { sessions: 4 })
  t.equal((await openMany(store, 3)).full, 3)
  for (const { id } of sessions) await store.beginEnding(id, endReason.caller)
  await ledger.finishEnding(sessions.slice(0, 3).map(({ id }) => id))
  t.equal(await countOf('project-1'), 1)
  t.equal((await openMany(store, 3)).sessions.length, 1)
  await limits.set('project-1', { maxSessions: 1 }, someActor)
  await limits.set('project-1', { maxSessions: 5 }, someActor)
  t.equal((await openMany(store, 9)).sessions.length, 3)
})

void t.test('the count is exact when the limit is set while sessions are opened and ended', async (t) => {
  const { store, limits, ledger, postgres, countOf } = await freshLimits(t)
  const opening = Promise.all(
    Array.from({ length: 40 }, async (_, n) => {
      const { sessions } = await openMany(store, 10)
      for (const { id } of sessions) await store.beginEnding(id, endReason.caller)
      if (n % 2 === 0) await ledger.finishEnding(sessions.map(({ id }) => id))
    }),
  )
  for (let n = 0; n < 10; n += 1) {
    await limits.set('project-1', { maxSessions: 1_000 }, someActor)
    await limits.remove('project-1', someActor)
  }
  await limits.set('project-1', { maxSessions: 1_000 }, someActor)
  await opening
  const { rows } = await postgres.durable.query(
    `SELECT count(*)::int AS live FROM sessions WHERE status <> 'ENDED'`,
  )
  t.equal(await countOf('project-1'), rows[0].live)
})

void t.test('a limit that is set waits for a session that is written but not committed', async (t) => {
  const { limits, postgres } = await freshLimits(t)
  const client = await postgres.durable.connect()
  await client.query('BEGIN')
  await client.query(`
    INSERT INTO sessions (id, status, agent_type, project_id, room_name, room, epoch, warm, lease_ms, lease_expires_at, max_ends_at)
    VALUES (gen_random_uuid(), 'PENDING', 'echo-agent', 'project-1', 'r', 'r', 1, true, 1000, now(), now())`)
  const set = limits.set('project-1', { maxSessions: 5 }, someActor)
  const waits = `SELECT FROM pg_locks WHERE relation = 'sessions'::regclass AND NOT granted`
  await until('it waits', async () => (await postgres.relaxed.query(waits)).rowCount === 1)
  await client.query('COMMIT')
  client.release()
  t.match(await set, { sessions: 1 })
})

void t.test('c=64 over three replicas: never more than the limit, and all of it', async (t) => {
  const { url, limits, store, ledger, countOf } = await freshLimits(t)
  const others = await Promise.all([1, 2].map(() => postgresFor(t, database, { url })))
  const stores = [store, ...others.map(createPostgresSessionStore)]
  await limits.set('project-1', { maxSessions: 10 }, someActor)
  for (let round = 0; round < 5; round += 1) {
    const opens = await Promise.all(Array.from({ length: 64 }, (_, n) => openMany(stores[n % 3] as Store, 1)))
    const sessions = opens.flatMap((open) => open.sessions)
    t.equal(sessions.length, 10)
    t.equal(await countOf('project-1'), 10)
    for (const { id } of sessions) await store.beginEnding(id, endReason.caller)
    await ledger.finishEnding(sessions.map(({ id }) => id))
  }
})

void t.test('projects that open and end against each other never wait in a circle', async (t) => {
  const { store, limits, ledger, countOf } = await freshLimits(t)
  const projects = ['a', 'b', 'c', 'd']
  for (const project of projects) await limits.set(project, { maxSessions: 1_000 }, someActor)
  await Promise.all(
    Array.from({ length: 12 }, async (_, lane) => {
      for (let n = 0; n < 15; n += 1) {
        const turned = [...projects.slice((lane + n) % 4), ...projects.slice(0, (lane + n) % 4)]
        const opens = await Promise.all(turned.map((projectId) => openMany(store, 2, { projectId })))
        const sessions = opens.flatMap((open) => open.sessions)
        t.equal(sessions.length, 8, 'no open failed for a lock')
        await Promise.all(sessions.map(({ id }) => store.beginEnding(id, endReason.caller)))
        await ledger.finishEnding(sessions.map(({ id }) => id))
      }
    }),
  )
  for (const project of projects) t.equal(await countOf(project), 0)
})

void t.test('a wrong count is counted once more, and an end never fails for it', async (t) => {
  const { store, limits, ledger, postgres, countOf } = await freshLimits(t)
  await limits.set('project-1', { maxSessions: 5 }, someActor)
  const { sessions } = await openMany(store, 3)
  await postgres.durable.query('UPDATE project_usage SET live = 0')
  const ids = sessions.map(({ id }) => id)
  for (const id of ids) await store.beginEnding(id, endReason.caller)
  await ledger.finishEnding(ids.slice(0, 1))
  t.equal((await store.get(ids[0] ?? ''))?.status, 'ENDED')
  t.same(await limits.recount(), ['project-1'])
  t.equal(await countOf('project-1'), 2)
  await postgres.durable.query('UPDATE project_usage SET live = 5')
  t.match(await createPostgresInvariantReader(postgres).read([]), {
    miscounted: [{ projectId: 'project-1', counted: 5, sessions: 2 }],
  })
  t.same(await limits.recount(), ['project-1'])
  t.equal(await countOf('project-1'), 2)
  t.same(await limits.recount(), [])
})
