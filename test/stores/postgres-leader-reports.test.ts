import t from 'tap'
import type { LeaderFindings } from '../../src/domain/leader-findings.ts'
import { createPostgresLeaderReports } from '../../src/stores/postgres-leader-reports.ts'
import { createPostgresLiveSessions } from '../../src/stores/postgres-live-sessions.ts'
import { createPostgresSessionStore } from '../../src/stores/postgres-session-store.ts'
import { notePods } from '../support/noted-pods.ts'
import { newRecord, podNamed } from './open-records.ts'
import { postgresFor, startDatabase } from './store-servers.ts'

const database = await startDatabase(t)
const document = { seen: '1', applied: '1' }
const findings: LeaderFindings = {
  drift: { change: 1, deny: 0 },
  broken: { 'pod-claimed-twice': 2 },
  frozen: ['pods'],
  assignKeys: 2,
  documents: { pools: document, policy: document },
  since: { drift: '2026-01-01T00:00:00.000Z' },
}

void t.test('the report of a leader: nothing before the first, then the last, with its age', async (t) => {
  const postgres = await postgresFor(t, database)
  const reports = createPostgresLeaderReports(postgres)
  t.equal(await reports.read(), undefined)
  await reports.post('replica-1', { ...findings, assignKeys: 1 })
  await reports.post('replica-2', findings)
  const report = await reports.read()
  t.match(report, { leader: 'replica-2', findings })
  t.ok(report && report.ageMs >= 0)
  await postgres.durable.query(`UPDATE leader_report SET at = now() - interval '1 hour'`)
  t.ok(((await reports.read())?.ageMs ?? 0) >= 3_600_000, "by PostgreSQL's clock")
})

void t.test('sessions that are not ENDED are counted, of all projects or of one', async (t) => {
  const postgres = await postgresFor(t, database)
  const countLive = createPostgresLiveSessions(postgres)
  t.equal(await countLive(undefined), 0)
  const sessions = createPostgresSessionStore(postgres)
  const records = ['a', 'a', 'b'].map((projectId, n) => newRecord({ projectId, pod: podNamed(`live-${n}`) }))
  await notePods(
    postgres,
    records.map(({ pod }) => pod.uid),
  )
  for (const record of records) t.match(await sessions.commitOpen(record), { kind: 'committed' })
  await sessions.beginEnding(records[0]?.id ?? '', 'ended:caller')
  t.equal(await countLive(undefined), 3)
  t.equal(await countLive('a'), 2, 'one of them is ENDING')
  t.equal(await countLive(`a' OR true --`), 0)
  await postgres.durable.query(
    `UPDATE sessions SET status = 'ENDED', ended_at = now() WHERE status = 'ENDING'`,
  )
  t.equal(await countLive('a'), 1)
})
