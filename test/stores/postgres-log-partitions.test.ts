import { Client } from 'pg'
import t, { type Test } from 'tap'
import { endReason } from '../../src/domain/session.ts'
import { createPostgresAuditLog, newAuditEntry } from '../../src/stores/postgres-audit-log.ts'
import { createPostgresClaimLedger } from '../../src/stores/postgres-claim-ledger.ts'
import { createPostgresEventLog } from '../../src/stores/postgres-event-log.ts'
import { createPostgresLogPartitions } from '../../src/stores/postgres-log-partitions.ts'
import { createPostgresSessionStore } from '../../src/stores/postgres-session-store.ts'
import { ageSession, makePartition, midnight, partsOf } from './log-partition-rows.ts'
import { newRecord } from './open-records.ts'
import { postgresFor, startDatabase } from './store-servers.ts'

const database = await startDatabase(t)
const dayMs = 86_400_000

async function startLogs(t: Test) {
  const postgres = await postgresFor(t, database)
  const store = createPostgresSessionStore(postgres)
  const ledger = createPostgresClaimLedger(postgres)
  const events = createPostgresEventLog(postgres)
  return {
    url: postgres.url,
    database: postgres.durable,
    store,
    ledger,
    events,
    audit: createPostgresAuditLog(postgres),
    partitions: createPostgresLogPartitions(postgres),
    /** A session of three numbered events, so long ago; `isOver`: of five. */
    sessionOf: async (hoursAgo: number, isOver = false): Promise<string> => {
      const record = newRecord()
      await store.commitOpen(record)
      await store.activate(record.id, 1)
      if (isOver) {
        await store.beginEnding(record.id, endReason.caller)
        await ledger.finishEnding([record.id])
      }
      await events.number()
      await ageSession(postgres.durable, record.id, hoursAgo)
      return record.id
    },
    purge: () => ledger.purge({ sessionsAfterMs: 2 * dayMs, claimsAfterMs: 2 * dayMs, limit: 1_000 }),
    dayNames: async (log: 'session_events' | 'audit_log') =>
      Object.keys(await partsOf(postgres.durable, log)).filter((name) => !name.endsWith('_kept')),
  }
}

void t.test('partitions are made for a week ahead, once, and each as long as asked', async (t) => {
  const { partitions, dayNames, database } = await startLogs(t)
  const nameOf = (day: number) => midnight(-day).toISOString().slice(0, 10).replaceAll('-', '')
  const week = [1, 2, 3, 4, 5, 6, 7].map((day) => `session_events_${nameOf(day)}`)
  t.same(await dayNames('session_events'), week, 'a new database has them')
  t.equal(await partitions.add('session_events', 1), 0)
  await database.query(`DROP TABLE ${week.slice(2).join(', ')}`)
  t.equal(await partitions.add('session_events', 25), 1)
  t.same(await dayNames('session_events'), [...week.slice(0, 2), `session_events_${nameOf(27)}`])
})

void t.test(
  'while nobody made partitions, rows are kept apart; the next one begins after them',
  async (t) => {
    const { partitions, dayNames, database, sessionOf, events } = await startLogs(t)
    await database.query(`DROP TABLE ${(await dayNames('session_events')).join(', ')}`)
    const id = await sessionOf(0)
    t.match(await partsOf(database, 'session_events'), { session_events_kept: 2 })
    t.equal(await partitions.add('session_events', 1), 6, 'from tomorrow on')
    t.equal((await events.read(0, { sessionId: id })).events.length, 2)
  },
)

void t.test('a partition goes when all of its rows are old enough, and followers are told', async (t) => {
  const { partitions, database, sessionOf, events, audit, purge } = await startLogs(t)
  for (const daysAgo of [4, 3]) await makePartition(database, 'session_events', daysAgo)
  const name = await makePartition(database, 'audit_log', 4)
  const afterMs = Date.now() - midnight(3).getTime() - 1_000
  const hoursToNoon = (Date.now() - midnight(4).getTime()) / 3_600_000 - 12
  await sessionOf(hoursToNoon, true)
  const young = await sessionOf(hoursToNoon - 24, true)
  await database.query('DELETE FROM pod_claims')
  t.match(await purge(), { sessions: 2, events: 0 }, 'their events are in partitions of a day')
  t.equal(await partitions.dropOldest('session_events', 4 * dayMs), undefined)
  t.type(await partitions.dropOldest('session_events', afterMs), 'number')
  t.equal(await partitions.dropOldest('session_events', afterMs), undefined)
  const { rows } = await database.query('SELECT DISTINCT session_id FROM session_events')
  t.same(rows, [{ session_id: young }])
  t.same(await events.bounds(), { last: 8, purged: 4 })
  const at = midnight(4).getTime() + dayMs / 2
  const entry = newAuditEntry({
    by: { kind: 'oidc', id: 'ann' },
    projectId: 'a',
    action: 'session.end',
    subject: 's',
  })
  const first = await database.query<{ id: string }>('SELECT first_id_at($1) AS id', [new Date(at)])
  const id = first.rows[0]?.id ?? ''
  await audit.append([{ ...entry, at, id }])
  t.match(await partsOf(database, 'audit_log'), { [name]: 1 })
  t.equal(await audit.purge({ afterMs: dayMs, limit: 10 }), 0, 'not row by row')
  t.type(await partitions.dropOldest('audit_log', afterMs), 'number')
  t.same(await audit.list({ projectId: undefined, limit: 9, before: undefined }), [])
})

void t.test(
  'events of a session whose record is there outlive their partition, with their numbers',
  async (t) => {
    const { partitions, database, sessionOf, events, ledger, purge } = await startLogs(t)
    await makePartition(database, 'session_events', 5)
    const hours = (Date.now() - midnight(5).getTime()) / 3_600_000 - 12
    const [live, claimed] = [await sessionOf(hours), await sessionOf(hours, true)]
    const before = await events.read(0, { sessionId: live })
    t.type(await partitions.dropOldest('session_events', dayMs), 'number')
    t.same(await events.read(0, { sessionId: live }), before)
    t.match(await partsOf(database, 'session_events'), { session_events_kept: 6 })
    t.match(await purge(), { sessions: 0 }, 'a claim names the one that is over')
    t.ok(await ledger.get(claimed))
    await database.query('DELETE FROM pod_claims')
    t.match(await purge(), { sessions: 1, events: 4 })
    t.match(await partsOf(database, 'session_events'), { session_events_kept: 2 })
  },
)

void t.test('a partition waits while many of its events are needed', async (t) => {
  const { partitions, database, sessionOf } = await startLogs(t)
  const name = await makePartition(database, 'session_events', 5)
  const id = await sessionOf((Date.now() - midnight(5).getTime()) / 3_600_000 - 12)
  await database.query(
    `INSERT INTO session_events (at, session_id, status, epoch)
     SELECT $2, $1, 'ACTIVE', 1 FROM generate_series(1, 5000)`,
    [id, midnight(5)],
  )
  t.equal(await partitions.dropOldest('session_events', dayMs), undefined)
  t.match(await partsOf(database, 'session_events'), { [name]: 5_002 })
  await database.query('DELETE FROM session_events WHERE epoch = 1 AND number IS NULL')
  t.type(await partitions.dropOldest('session_events', dayMs), 'number')
})

void t.test('a table that is in use is left alone: claims do not wait behind partitions', async (t) => {
  const { partitions, database, url, dayNames } = await startLogs(t)
  await makePartition(database, 'session_events', 5)
  const days = (await dayNames('session_events')).slice(-2)
  await database.query(`DROP TABLE ${days.join(', ')}`)
  const reader = new Client({ connectionString: url })
  await reader.connect()
  await reader.query('BEGIN')
  await reader.query('SELECT FROM session_events LIMIT 1')
  t.equal(await partitions.dropOldest('session_events', dayMs), undefined)
  t.equal(await partitions.add('session_events', 1), 0)
  await reader.query('COMMIT')
  await reader.end()
  t.type(await partitions.dropOldest('session_events', dayMs), 'number')
  t.equal(await partitions.add('session_events', 1), 2)
})

void t.test('numbers follow ids over partitions, and no number is given twice', async (t) => {
  const { database, events, partitions, sessionOf } = await startLogs(t)
  await makePartition(database, 'session_events', 1)
  await sessionOf(24)
  await sessionOf(0)
  await database.query('UPDATE session_events SET number = NULL')
  await database.query('UPDATE event_numbers SET last = 0')
  t.equal(await events.number(), 'done')
  t.equal(await partitions.dropOldest('session_events', 0), undefined, 'what is younger than a day stays')
  const { rows } = await database.query<{ number: string }>('SELECT number FROM session_events ORDER BY id')
  t.same(
    rows.map(({ number }) => Number(number)),
    [1, 2, 3, 4],
  )
})
