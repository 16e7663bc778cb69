import t, { type Test } from 'tap'
import { createRetention } from '../../src/controllers/retention.ts'
import { createMetrics } from '../../src/metrics.ts'
import { createPostgresAuditLog } from '../../src/stores/postgres-audit-log.ts'
import { createPostgresClaimLedger } from '../../src/stores/postgres-claim-ledger.ts'
import { createPostgresEventLog } from '../../src/stores/postgres-event-log.ts'
import { createPostgresLogPartitions } from '../../src/stores/postgres-log-partitions.ts'
import { createPostgresPodLives } from '../../src/stores/postgres-pod-lives.ts'
import { createPostgresSessionStore } from '../../src/stores/postgres-session-store.ts'
import { newRecord, podNamed } from '../stores/open-records.ts'
import { postgresFor, startDatabase } from '../stores/store-servers.ts'
import { readyPod } from '../support/fake-pod-view.ts'
import { silent } from '../support/kept-log.ts'

const database = await startDatabase(t)
const hourMs = 3_600_000

async function startRetention(t: Test) {
  const postgres = await postgresFor(t, database)
  const sessions = createPostgresSessionStore(postgres)
  const present = new Set<string>()
  let synced = true
  const look = createRetention({
    ledger: createPostgresClaimLedger(postgres),
    pods: { all: () => [...present].map((uid) => readyPod({ uid })), synced: () => synced },
    lives: createPostgresPodLives(postgres),
    auditLog: createPostgresAuditLog(postgres),
    auditAfterMs: 400 * 24 * hourMs,
    eventLog: createPostgresEventLog(postgres),
    partitions: createPostgresLogPartitions(postgres),
    sessionsAfterMs: 48 * hourMs,
    livesAfterMs: 400 * 24 * hourMs,
    metrics: createMetrics(),
    logger: silent,
  })
  const never = new AbortController().signal
  const query = (sql: string, values: unknown[] = []) => postgres.durable.query(sql, values)
  const column = async (sql: string) => (await query(sql)).rows.map((row) => Object.values(row)[0])
  return {
    query,
    column,
    present,
    look: () => look(never),
    setSynced: (value: boolean) => {
      synced = value
    },
    async ended(uid: string, hoursAgo: number): Promise<string> {
      const record = newRecord({ pod: podNamed(uid) })
      await sessions.commitOpen(record)
      await sessions.beginEnding(record.id, 'ended:caller')
      const times = ['created_at', 'ending_at', 'ended_at'].map(
        (at) => `${at} = now() - $2 * interval '1 hour'`,
      )
      await query(`UPDATE sessions SET status = 'ENDED', ${times.join(', ')} WHERE id = $1`, [
        record.id,
        hoursAgo,
      ])
      await query(`UPDATE session_events SET at = now() - $2 * interval '1 hour' WHERE session_id = $1`, [
        record.id,
        hoursAgo,
      ])
      await query(`UPDATE pod_claims SET at = now() - $2 * interval '1 hour' WHERE pod_uid = $1`, [
        uid,
        hoursAgo,
      ])
      return record.id
    },
    sessions: () => column('SELECT id FROM sessions ORDER BY ended_at'),
    claims: () => column('SELECT pod_uid FROM pod_claims ORDER BY 1'),
    notes: () => column('SELECT pod_uid FROM pool_pods ORDER BY 1'),
    events: () => column('SELECT DISTINCT session_id FROM session_events'),
  }
}

void t.test(
  'claims go a day after their pod; ended sessions after their time and their claims, with their events',
  async (t) => {
    const bed = await startRetention(t)
    const old = await bed.ended('old', 49)
    const young = await bed.ended('young', 47)
    await bed.look()
    t.same(await bed.claims(), ['old', 'young'], 'their pods were found gone just now')
    t.same(await bed.sessions(), [old, young], 'no claim outlives its session')
    await bed.query(`UPDATE pod_claims SET gone_at = gone_at - interval '25 hours'`)
    await bed.look()
    t.same(await bed.claims(), [])
    t.same(await bed.sessions(), [young])
    t.same(await bed.events(), [young])
  },
)

void t.test('a note goes a day after its pod, and with its claim', async (t) => {
  const bed = await startRetention(t)
  await bed.query(`
    INSERT INTO pool_pods (pod_uid, agent_type, template_hash, spec_digest, noted_at)
    SELECT uid, 'echo-agent', 'h', 'd', now() - interval '9 days' FROM unnest('{present,gone,claimed}'::text[]) AS uid`)
  await bed.query(
    `INSERT INTO pool_pods (pod_uid, agent_type, template_hash, spec_digest) VALUES ('fresh', 'echo-agent', 'h', 'd')`,
  )
  await bed.ended('claimed', 99)
  await bed.query(`UPDATE pod_claims SET at = now()`)
  bed.present.add('present')
  await bed.look()
  t.same(await bed.notes(), ['claimed', 'fresh', 'gone', 'present'], 'found gone just now')
  await bed.query(`UPDATE pool_pods SET gone_at = gone_at - interval '25 hours'`)
  await bed.look()
  t.same(await bed.notes(), ['claimed', 'fresh', 'present'], 'a claim still names one of them')
  await bed.query(`UPDATE pod_claims SET gone_at = now() - interval '25 hours'`)
  await bed.look()
  t.same(await bed.notes(), ['fresh', 'present'])
})

void t.test('a claim stays while its pod is there, or while a session lives on it', async (t) => {
  const bed = await startRetention(t)
  await bed.ended('present', 99)
  await bed.ended('back', 99)
  await bed.ended('live', 99)
  await bed.query(`UPDATE sessions SET status = 'ENDING', ended_at = NULL WHERE pod_uid = 'live'`)
  bed.present.add('present')
  await bed.look()
  await bed.query(`UPDATE pod_claims SET gone_at = gone_at - interval '25 hours'`)
  bed.present.add('back')
  await bed.look()
  t.same(await bed.claims(), ['back', 'live', 'present'], 'one that is there again was not gone')
})

void t.test('before the first list nothing is gone, and nothing is deleted', async (t) => {
  const bed = await startRetention(t)
  await bed.ended('a', 99)
  bed.setSynced(false)
  await bed.look()
  t.equal((await bed.sessions()).length, 1)
  t.same(
    await bed.query('SELECT FROM pod_claims WHERE gone_at IS NOT NULL').then(({ rowCount }) => rowCount),
    0,
  )
})

void t.test('a fresh claim whose pod the informer does not show yet is not gone', async (t) => {
  const bed = await startRetention(t)
  await bed.query(`INSERT INTO pod_claims (pod_uid, purpose) VALUES ('fresh', 'retired')`)
  await bed.look()
  t.equal((await bed.query('SELECT FROM pod_claims WHERE gone_at IS NOT NULL')).rowCount, 0)
})

void t.test('more than fits one statement is deleted in one look', async (t) => {
  const bed = await startRetention(t)
  await bed.query(`
    INSERT INTO pod_claims (pod_uid, purpose, at, gone_at)
    SELECT 'p' || n, 'retired', now() - interval '9 days', now() - interval '8 days' FROM generate_series(1, 2500) n`)
  await bed.look()
  t.same(await bed.claims(), [])
})

void t.test(
  'the life of a pod outlives its claim and its session, and goes when its time has come',
  async (t) => {
    const bed = await startRetention(t)
    const lives = () => bed.column('SELECT pod_uid FROM pod_lives ORDER BY 1')
    const born = (uid: string, daysAgo: number, settled: boolean) =>
      bed.query(
        `INSERT INTO pod_lives (pod_uid, agent_type, created_at, gone_at, settled)
       VALUES ($1, 'echo-agent', now() - $2 * interval '1 day', now() - $2 * interval '1 day', $3)`,
        [uid, daysAgo, settled],
      )
    await bed.ended('copied', 99)
    await bed.ended('uncopied', 99)
    await born('copied', 399, true)
    await born('uncopied', 399, false)
    await born('old', 401, true)
    await bed.look()
    await bed.query(`UPDATE pod_claims SET gone_at = gone_at - interval '25 hours'`)
    await bed.look()
    t.same(await bed.claims(), ['uncopied'], 'a claim stays until its session is copied')
    t.equal((await bed.sessions()).length, 1)
    t.same(await lives(), ['copied', 'uncopied'])
    const [since] = await bed.column('SELECT complete_since FROM pod_life_notes')
    const daysAgo = (Date.now() - (since as Date).getTime()) / (24 * hourMs)
    t.ok(Math.abs(daysAgo - 400) < 0.01, 'reports begin there now')
  },
)
