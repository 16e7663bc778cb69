import pg from 'pg'

/** What a database is filled with; the rest follows from it. */
export interface RowsAmounts {
  /** Sessions that are over, evenly over the last `days`. */
  readonly ended: number
  /** ACTIVE sessions, begun in the last hours. */
  readonly live: number
  readonly days: number
  readonly pools: number
  readonly projects: number
}

/** As Greenroom would have left it after so many sessions, written by generate_series: statements, in their order. */
const sessionsSql = [
  // Every second id is random, as of a session with a key; the others are of version 7, in the order of time.
  'DROP TABLE IF EXISTS made',
  `CREATE TEMPORARY TABLE made AS
   SELECT n, n > $1::int AS live,
     CASE WHEN n % 2 = 0 THEN gen_random_uuid()
       ELSE (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || substr(md5(n::text), 1, 3) || 'a' ||
         substr(md5(n::text), 4, 15))::uuid END AS id,
     gen_random_uuid()::text AS pod_uid, 'agent-' || n % $4::int AS agent_type, 'project-' || n % $5::int AS project_id,
     at, CASE WHEN n > $1::int THEN NULL ELSE at + interval '8 min' END AS over
   FROM generate_series(1, $1::int + $2::int) AS n, LATERAL (
     SELECT CASE WHEN n > $1::int THEN now() - interval '2 hours' * (1 - (n - $1::int)::float8 / $2::int)
       ELSE now() - interval '10 min' - $3::int * interval '1 day' * (1 - n::float8 / $1::int) END AS at) AS begun`,
  `INSERT INTO sessions (id, status, end_reason, agent_type, project_id, room_name, room, participant, metadata,
     fingerprint, epoch, pod_uid, pod_name, pod_ip, warm, lease_ms, lease_expires_at, max_ends_at, created_at, active_at,
     ending_at, ended_at, agent_joined_at, wait_ms, reserve_ms, commit_ms, deliver_ms, activate_ms, renewals, renewed_at)
   SELECT id, CASE WHEN live THEN 'ACTIVE' ELSE 'ENDED' END, CASE WHEN NOT live THEN 'ended:caller' END, agent_type,
     project_id, 'lobby-' || n, agent_type || '-' || id, '{"identity": "caller"}', '{"topic": "bench", "language": "en"}',
     md5(n::text), 1, pod_uid, agent_type || '-' || n, '10.0.0.1', n % 500 > 0, 60000,
     coalesce(over, now() + interval '1 day'), coalesce(over, now()) + interval '1 day', at, at + interval '10 ms', over,
     over, at + interval '1 s', 0, 0.3, 0.8, 0.9, 0.7, 16, over FROM made`,
  `INSERT INTO pod_claims (pod_uid, purpose, session_id, epoch, at, gone_at)
   SELECT pod_uid, 'session', id, 1, at, over FROM made`,
  `INSERT INTO pool_pods (pod_uid, agent_type, template_hash, spec_digest, noted_at, gone_at)
   SELECT pod_uid, agent_type, md5(agent_type), md5(agent_type) || md5(agent_type), at - interval '4 min', over FROM made`,
  `INSERT INTO pod_lives (pod_uid, agent_type, created_at, ready_at, deleting_at, gone_at, session_id, project_id,
     claimed_at, released_at, settled)
   SELECT pod_uid, agent_type, at - interval '4 min', at - interval '3 min', over, over,
     CASE WHEN NOT live THEN id END, CASE WHEN NOT live THEN project_id END, CASE WHEN NOT live THEN at END, over, NOT live
   FROM made`,
  // In the order of time, as they were written: PENDING, ACTIVE, the agent in its room, ENDING, ENDED.
  `INSERT INTO session_events (at, session_id, status, epoch, pod_uid, end_reason, kind, number, project_id, agent_type)
   SELECT told, id, status, 1, pod_uid, CASE WHEN step > 3 THEN 'ended:caller' END,
     CASE step WHEN 3 THEN 'agent-joined' ELSE 'status' END, row_number() OVER (ORDER BY told, step) + last,
     project_id, agent_type
   FROM event_numbers, made, LATERAL (VALUES (1, 'PENDING', at), (2, 'ACTIVE', at + interval '10 ms'), (3, 'ACTIVE', at + interval '1 s'),
     (4, 'ENDING', over), (5, 'ENDED', over)) AS event (step, status, told)
   WHERE told IS NOT NULL ORDER BY told, step`,
  `UPDATE event_numbers SET last = (SELECT max(number) FROM session_events)`,
  `INSERT INTO audit_log (id, at, actor_kind, actor_id, project_id, action, subject)
   SELECT (lpad(to_hex((extract(epoch FROM told) * 1000)::bigint), 12, '0') || '7' || substr(md5(id::text), 1, 3) || 'a' ||
       substr(md5(id::text || step), 4, 15))::uuid, told, 'key', 'bench', project_id,
     CASE step WHEN 1 THEN 'session.open' ELSE 'session.end' END, id::text
   FROM made, LATERAL (VALUES (1, at), (2, over)) AS noted (step, told) WHERE told IS NOT NULL ORDER BY told`,
] as const

const restSql = [
  `INSERT INTO pool_decisions (agent_type, run, step, decided_at, bounds, input, target, terms)
   SELECT 'agent-' || n % $4::int, 'run', n, now() - n * interval '1 s', '{"min":10}', '{"now":1}', 10, '{"idle":10}'
   FROM generate_series(1, 5000 * $4::int) AS n`,
  `INSERT INTO pool_history (agent_type, at, idle, claimed, waiting, opened, warm)
   SELECT 'agent-' || pool, date_trunc('minute', now()) - n * interval '1 min', 10, 100, 0, 40, 40
   FROM generate_series(0, $4::int - 1) AS pool, generate_series(0, 1439) AS n`,
  `INSERT INTO project_limits (project_id, max_sessions) SELECT 'project-' || n, 1000000 FROM generate_series(0, 9) AS n`,
  `INSERT INTO project_usage (project_id, live, most, ceiling)
   SELECT l.project_id, count(s.id)::int, 1000000, 1000000 FROM project_limits l LEFT JOIN sessions s
     ON s.project_id = l.project_id AND s.status <> 'ENDED' GROUP BY 1`,
  `UPDATE pool_pod_notes SET complete_since = now()`,
  `UPDATE renewal_service SET alive_at = now() + interval '1 day'`,
] as const

/** Fills an empty, migrated database: two minutes for a million sessions. */
export async function fillRows(url: string, amounts: RowsAmounts): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await addSessions(client, amounts)
    await runAll(client, restSql, amounts)
    await client.query('VACUUM ANALYZE')
    await client.query('CHECKPOINT')
  } finally {
    await client.end()
  }
}

/** The sessions alone, beside those that are there. */
export async function addSessions(client: pg.Client, amounts: RowsAmounts): Promise<void> {
  // Without the triggers: the events were told and numbered long ago, and the usage is counted at the end.
  await client.query('SET session_replication_role = replica')
  await client.query('SET synchronous_commit = off')
  await runAll(client, sessionsSql, amounts)
}

async function runAll(client: pg.Client, statements: readonly string[], amounts: RowsAmounts): Promise<void> {
  const { ended, live, days, pools, projects } = amounts
  const values = [ended, live, days, pools, projects]
  for (const text of statements) {
    const used = values.filter((_, position) => text.includes(`$${position + 1}`))
    await client.query(renumbered(text), used)
  }
}

/** PostgreSQL wants to know the type of every parameter: those that a statement does not use are left out. */
function renumbered(text: string): string {
  const used = [...new Set(text.match(/\$\d/g))].sort()
  return text.replace(/\$\d/g, (parameter) => `$${used.indexOf(parameter) + 1}`)
}
