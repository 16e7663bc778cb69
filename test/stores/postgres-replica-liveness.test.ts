import assert from 'node:assert/strict'
import t, { type Test } from 'tap'
import type { Session } from '../../src/domain/session.ts'
import { createPostgresClaimLedger } from '../../src/stores/postgres-claim-ledger.ts'
import { createPostgresReplicaLiveness } from '../../src/stores/postgres-replica-liveness.ts'
import { createPostgresSessionStore } from '../../src/stores/postgres-session-store.ts'
import { newRecord } from './open-records.ts'
import { postgresFor, startDatabase } from './store-servers.ts'

const database = await startDatabase(t)

async function fresh(t: Test) {
  const postgres = await postgresFor(t, database)
  const store = createPostgresSessionStore(postgres)
  const query = (sql: string, values: unknown[] = []) => postgres.durable.query(sql, values)
  return {
    store,
    liveness: createPostgresReplicaLiveness(postgres),
    ledger: createPostgresClaimLedger(postgres),
    active: async (leaseMs: number): Promise<Session> => {
      const record = newRecord({ leaseMs })
      await store.commitOpen(record)
      await store.activate(record.id, 1)
      const session = await store.get(record.id)
      assert.ok(session)
      return session
    },
    /** Lets everything that PostgreSQL noted have happened so much earlier. */
    pass: async (seconds: number): Promise<void> => {
      await query(`UPDATE sessions SET lease_expires_at = lease_expires_at - $1 * interval '1 s'`, [seconds])
      await query(
        `UPDATE renewal_service SET alive_at = alive_at - $1 * interval '1 s',
          gap_ended_at = gap_ended_at - $1 * interval '1 s'`,
        [seconds],
      )
    },
    query,
  }
}

const ids = (sessions: readonly Session[]) => sessions.map(({ id }) => id)

void t.test('a lease lapses while renewals can be taken', async (t) => {
  const { liveness, ledger, active, pass } = await fresh(t)
  await liveness.note('api-1')
  await pass(2)
  await liveness.note('api-2')
  await pass(600)
  const session = await active(10_000)
  // The gap ended long ago: one more lease is over as well.
  await liveness.note('api-1')
  for (let second = 0; second < 12; second += 2) {
    await pass(2)
    await liveness.note('api-1')
  }
  t.same(ids(await ledger.lapse(10)), [session.id])
})

void t.test('two minutes without any replica end not one session afterwards', async (t) => {
  const { liveness, ledger, active, pass, store } = await fresh(t)
  await liveness.note('api-1')
  await pass(600)
  await liveness.note('api-1')
  const [a, b] = [await active(10_000), await active(60_000)]
  await pass(120)
  t.same(await ledger.lapse(10), [], 'nobody is there to take a renewal')
  await liveness.note('api-2')
  t.same(await ledger.lapse(10), [], 'the gap has just ended')
  await pass(2)
  await liveness.note('api-2')
  t.equal((await store.renew(a.id, 1)).kind, 'done')
  for (let second = 0; second < 56; second += 2) {
    await pass(2)
    await liveness.note('api-2')
  }
  t.same(ids(await ledger.lapse(10)), [a.id], 'one full lease after its renewal, and before the longer one')
  for (let second = 0; second < 6; second += 2) {
    await pass(2)
    await liveness.note('api-2')
  }
  t.same(ids(await ledger.lapse(10)), [b.id], 'one full lease after the gap')
})

void t.test('PENDING sessions and the longest duration know no mercy for a gap', async (t) => {
  const { ledger, active, store, query } = await fresh(t)
  const long = await active(10_000)
  await query(
    `UPDATE sessions SET max_ends_at = now() - interval '1 s', lease_expires_at = now() - interval '1 s'`,
  )
  const pending = newRecord({ leaseMs: 10_000 })
  await store.commitOpen(pending)
  await query(`UPDATE sessions SET lease_expires_at = now() - interval '1 s' WHERE id = $1`, [pending.id])
  t.same(new Set(ids(await ledger.lapse(10))), new Set([long.id, pending.id]))
})

void t.test('a replica keeps what it holds, and only that', async (t) => {
  const { liveness, store, query } = await fresh(t)
  const { pod: _pod, warm: _warm, ...record } = newRecord()
  const cold = { ...record, heldByReplica: 'api-1', adoptable: true, pendingMs: 60_000, mostWaiting: 5 }
  t.match(await store.openCold(cold), { kind: 'committed', session: { status: 'PENDING', pod: undefined } })
  const late = () => query(`UPDATE sessions SET held_until = now() + interval '100 ms'`)
  await late()
  await liveness.note('api-2')
  await query('SELECT pg_sleep(0.15)')
  await liveness.note('api-1')
  t.match(
    await store.adopt('api-2', { limit: 5 }),
    [{ id: record.id, heldByReplica: 'api-2' }],
    'too late: it may be adopted already',
  )
  await late()
  await liveness.note('api-2')
  await query('SELECT pg_sleep(0.15)')
  t.same(await store.adopt('api-3', { limit: 5 }), [])
})
