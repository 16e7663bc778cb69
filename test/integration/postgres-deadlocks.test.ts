import { setImmediate as breath } from 'node:timers/promises'
import { Client, DatabaseError } from 'pg'
import t from 'tap'
import { endReason, type Session } from '../../src/domain/session.ts'
import type { ColdOutcome, CommitOutcome, OpenRecord, PodFate } from '../../src/domain/session-ports.ts'
import { createPostgresClaimLedger } from '../../src/stores/postgres-claim-ledger.ts'
import { createPostgresReplicaLiveness } from '../../src/stores/postgres-replica-liveness.ts'
import { createPostgresSessionStore } from '../../src/stores/postgres-session-store.ts'
import { newRecord, podNamed } from '../stores/open-records.ts'
import { postgresFor, startDatabase } from '../stores/store-servers.ts'

/**
 * Every statement that changes sessions or claims at once, from several pools, on the same few rows: none waits for
 * another in a circle, and no transaction is ever left open.
 */

const database = await startDatabase(t)

const stormMs = 4_000
const replicas = 3
/** Pods and keys of a moment: a pod is claimed once, so what collides must always be new. */
const momentMs = 25
const perMoment = 8

/** As small as it may be sensibly: a circle is broken by PostgreSQL, and counted, before any time-out hides it. */
const deadlockTimeout = '20ms'

const rounds = 12
/** Of one group of opens. */
const rowsOfRound = 60

const random = (below: number) => Math.floor(Math.random() * below)
const moment = (back = 0) => Math.floor(performance.now() / momentMs) - back
const somePod = (back = 0) => `pod-${moment(back)}-${random(perMoment)}`
const idOf = (at: number, n: number) =>
  `0198c0de-0000-7000-8000-${(at * perMoment + n).toString(16).padStart(12, '0')}`
const some = <T>(count: number, make: () => T): T[] => Array.from({ length: count }, make)

void t.test('a storm of everything at once', async (t) => {
  const url = await database.fresh()
  const admin = new Client({ connectionString: url })
  await admin.connect()
  t.teardown(() => admin.end())
  await admin.query(`ALTER DATABASE ${admin.database} SET deadlock_timeout = '${deadlockTimeout}'`)
  const until = performance.now() + stormMs
  const failures = new Map<string, number>()
  let done = 0

  async function again(work: () => Promise<unknown>): Promise<void> {
    while (performance.now() < until) {
      // What finds nothing to do must not keep the others from beginning.
      await breath()
      try {
        await work()
        done += 1
      } catch (error) {
        const code = codeOf(error)
        failures.set(code, (failures.get(code) ?? 0) + 1)
      }
    }
  }

  const workers = some(replicas, () => 0).map(async (_, replica) => {
    const postgres = await postgresFor(t, database, { url })
    const store = createPostgresSessionStore(postgres)
    const ledger = createPostgresClaimLedger(postgres)
    const liveness = createPostgresReplicaLiveness(postgres)
    const name = `api-${replica}`
    const recent: Session[] = []
    const known = () => recent.at(-1 - random(30))
    const record = (): OpenRecord =>
      newRecord({
        id: idOf(moment(), random(perMoment)),
        pod: podNamed(somePod()),
        leaseMs: 100,
        epoch: 1,
      })
    const remember = (outcome: CommitOutcome | ColdOutcome) => {
      if ('session' in outcome) recent.push(outcome.session)
    }
    const withKnown = (work: (session: Session) => Promise<unknown>) =>
      Promise.all(some(6, known).map(async (session) => session && work(session)))
    const fate = (): PodFate => (random(2) ? { kind: 'release' } : { kind: 'retire', reason: 'refused' })
    const pods = () => [...some(4, () => somePod()), ...some(3, () => known()?.pod?.uid ?? somePod(1))]
    await Promise.all([
      again(() => Promise.all(some(12, async () => remember(await store.commitOpen(record()))))),
      again(() => Promise.all(some(12, async () => remember(await store.commitOpen(record()))))),
      again(() =>
        withKnown(async (session) => {
          const next = { pod: podNamed(somePod()), epoch: session.epoch + 1, reason: 'refused' }
          remember(await store.commitNextAttempt(session, next))
        }),
      ),
      again(() => withKnown((session) => store.failOpen(session, endReason.deliveryFailed, fate()))),
      again(() =>
        withKnown(async (session) => {
          const ended = { ...session, status: 'ENDED' as const }
          remember(await store.reopen(ended, { ...record(), id: session.id, epoch: session.epoch + 1 }))
        }),
      ),
      again(async () => {
        const { pod: _pod, warm: _warm, ...cold } = record()
        remember(
          await store.openCold({
            ...cold,
            pendingMs: 100,
            heldByReplica: name,
            adoptable: true,
            mostWaiting: 100,
          }),
        )
        await store.adopt(name, { limit: 10 })
        await store.releaseHeld(name)
        await liveness.note(name)
      }),
      again(() => withKnown(({ id, epoch }) => store.activate(id, epoch))),
      again(() => withKnown(({ id, epoch }) => store.renew(id, epoch, random(2) === 0))),
      again(() => withKnown(({ id }) => store.beginEnding(id, endReason.caller))),
      again(() => ledger.retire(pods(), 'surplus')),
      again(() => ledger.endOnPods(pods().map((podUid) => ({ podUid, reason: endReason.podDied })))),
      again(async () => {
        await ledger.lapse(20)
        await ledger.finishEnding(some(12, () => known()?.id).flatMap((id) => id ?? []))
      }),
      again(async () => {
        await admin
          .query(`UPDATE pod_claims SET at = at - interval '1 hour' WHERE random() < 0.05`)
          .catch(() => {})
        await ledger.noteGone(pods())
        await ledger.purge({ sessionsAfterMs: 500, claimsAfterMs: 500, limit: 50 })
      }),
    ])
  })
  const idle = watchTransactions(url, until)
  await Promise.all(workers)

  t.comment(`${done} rounds`, Object.fromEntries(failures))
  const { rows } = await admin.query(
    'SELECT deadlocks::int FROM pg_stat_database WHERE datname = current_database()',
  )
  t.strictSame(rows, [{ deadlocks: 0 }])
  t.equal(failures.get('40P01'), undefined)
  t.strictSame(
    [...failures.keys()].filter((code) => !['57014', '55P03', 'client'].includes(code)),
    [],
    'nothing fails but for a machine that is too busy',
  )
  t.ok([...failures.values()].reduce((sum, count) => sum + count, 0) <= done / 50, 'nor that often')
  const seen = await idle
  t.ok(seen.looks > 20)
  t.equal(seen.idle, 0, 'nobody holds a transaction open while something else is done')
})

void t.test('groups of the same rows, in any order, from several pools at once', async (t) => {
  const url = await database.fresh()
  const admin = new Client({ connectionString: url })
  await admin.connect()
  t.teardown(() => admin.end())
  await admin.query(`ALTER DATABASE ${admin.database} SET deadlock_timeout = '${deadlockTimeout}'`)
  const parts = await Promise.all(
    some(replicas, async () => {
      const postgres = await postgresFor(t, database, { url })
      return { store: createPostgresSessionStore(postgres), ledger: createPostgresClaimLedger(postgres) }
    }),
  )
  const every = <T>(rows: readonly T[], work: (row: T, part: (typeof parts)[number]) => Promise<unknown>) =>
    Promise.all(parts.flatMap((part) => shuffled(rows).map((row) => work(row, part))))
  for (let round = 0; round < rounds; round += 1) {
    const pods = some(rowsOfRound, () => 0).map((_, n) => `round-${round}-${n}`)
    const open = (uid: string) => newRecord({ pod: podNamed(uid) })
    const [outcomes] = await Promise.all([
      every(pods, (uid, { store }) => store.commitOpen(open(uid))),
      ...parts.map(({ ledger }) => ledger.retire(shuffled(pods).slice(0, rowsOfRound / 4), 'surplus')),
    ])
    const sessions = (outcomes as CommitOutcome[]).flatMap((outcome) =>
      outcome.kind === 'committed' ? [outcome.session] : [],
    )
    // The pods of next attempts are those of other opens as well, and the controller reaches for old and new ones.
    const others = some(rowsOfRound, () => 0).map((_, n) => `round-${round}-next-${n}`)
    const half = sessions.splice(0, sessions.length / 2)
    const next = (uid: string) => ({ pod: podNamed(uid), epoch: 2, reason: 'refused' })
    const failed = await Promise.all(
      half
        .splice(0, half.length / 2)
        .map(async (session) =>
          parts[0]?.store.failOpen(session, endReason.deliveryFailed, { kind: 'release' }),
        ),
    )
    await Promise.all([
      every(others, (uid, { store }) => store.commitOpen(open(uid))),
      ...shuffled(half).map((session, n) =>
        parts[n % replicas]?.store.commitNextAttempt(session, next(others[n] ?? '')),
      ),
      ...shuffled(failed).map(
        (session, n) =>
          session &&
          parts[n % replicas]?.store.reopen(session, {
            ...open(others[rowsOfRound - 1 - n] ?? ''),
            id: session.id,
            epoch: 2,
          }),
      ),
      ...parts.map(({ ledger }) =>
        ledger.retire([...shuffled(pods), ...shuffled(others).slice(0, 20)], 'surplus'),
      ),
    ])
    await Promise.all([
      every(sessions, ({ id }, { store }) => store.activate(id, 1)),
      every(sessions, ({ id }, { store }) => store.renew(id, 1)),
    ])
    const deaths = sessions.map(({ pod }) => ({ podUid: pod?.uid ?? '', reason: endReason.podDied }))
    const ids = sessions.map(({ id }) => id)
    await Promise.all([
      every(sessions, ({ id }, { store }) => store.renew(id, 1)),
      ...parts.map(({ ledger }) => ledger.endOnPods(shuffled(deaths))),
    ])
    await Promise.all(parts.map(({ ledger }) => ledger.finishEnding(shuffled(ids))))
  }
  const { rows } = await admin.query(
    'SELECT deadlocks::int FROM pg_stat_database WHERE datname = current_database()',
  )
  t.strictSame(rows, [{ deadlocks: 0 }])
})

function shuffled<T>(rows: readonly T[]): T[] {
  return rows
    .map((row) => ({ row, at: Math.random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ row }) => row)
}

/** What PostgreSQL said, if it said anything. */
function codeOf(error: unknown): string {
  if (error instanceof DatabaseError) return error.code ?? 'unknown'
  if (error instanceof Error && error.cause !== undefined) return codeOf(error.cause)
  return error instanceof Error && /timeout|not answer|too slow/i.test(error.message)
    ? 'client'
    : String(error)
}

async function watchTransactions(url: string, until: number): Promise<{ looks: number; idle: number }> {
  const client = new Client({ connectionString: url })
  await client.connect()
  const seen = { looks: 0, idle: 0 }
  while (performance.now() < until) {
    const { rows } = await client.query<{ idle: number }>(
      `SELECT count(*)::int AS idle FROM pg_stat_activity
       WHERE application_name = 'greenroom' AND state LIKE 'idle in transaction%'`,
    )
    seen.looks += 1
    seen.idle += rows[0]?.idle ?? 0
  }
  await client.end()
  return seen
}
