import { Client } from 'pg'
import t from 'tap'
import type { Session, SessionStatus } from '../../src/domain/session.ts'
import type { SessionQuery } from '../../src/domain/session-ports.ts'
import { listSessionRows } from '../../src/stores/postgres-session-list.ts'
import { postgresFor, startDatabase } from './store-servers.ts'

const database = await startDatabase(t)
const statuses: readonly SessionStatus[] = ['PENDING', 'ACTIVE', 'ENDING', 'ENDED']

/**
 * So many ended sessions, and after every fiftieth one of each other status; four types. A third has no project,
 * a third has one project, and the others have small ones: PostgreSQL expects to find a handful of sessions in any of them.
 */
const fillSql = `
  INSERT INTO sessions (id, status, end_reason, agent_type, project_id, room_name, room, epoch, pod_uid, pod_name, pod_ip,
    warm, lease_ms, lease_expires_at, max_ends_at, created_at)
  SELECT gen_random_uuid(), status, CASE WHEN status IN ('ENDING', 'ENDED') THEN 'ended:caller' END, 'type-' || n % 4,
    CASE n % 3 WHEN 1 THEN 'project-1' WHEN 2 THEN 'small-' || n END, 'lobby', 'room', 1, n || status, n || status, '127.0.0.1', true, 60000,
    now(), now(), now() - (n / 3) * interval '1 s'
  FROM generate_series(1, $1::int) AS n CROSS JOIN unnest($2::text[]) AS status WHERE status = 'ENDED' OR n % 50 = 0`

async function fill(url: string, ended: number, present: readonly SessionStatus[]): Promise<void> {
  const client = new Client({ connectionString: url })
  await client.connect()
  // Their events are not looked at.
  await client.query('SET session_replication_role = replica')
  await client.query(fillSql, [ended, present])
  await client.query('ANALYZE sessions')
  await client.end()
}

void t.test('every set of filters, page by page, shows what it says, newest first', async (t) => {
  const { durable, url } = await postgresFor(t, database)
  await fill(url, 300, statuses)
  const all = await listSessionRows(durable, { limit: 1_000 })
  t.equal(all.length, 318)
  const order = ({ createdAt, id }: Session) => `${createdAt.toFixed(3).padStart(20, '0')} ${id}`
  t.same(all.map(order), all.map(order).toSorted().reverse())
  for (const status of [undefined, ...statuses])
    for (const projectId of [undefined, 'project-1', 'nobody'])
      for (const agentType of [undefined, 'type-2', 'none']) {
        const filters = {
          ...(status && { status }),
          ...(projectId && { projectId }),
          ...(agentType && { agentType }),
        }
        const wanted = all.filter(
          (session) =>
            (status ?? session.status) === session.status &&
            (projectId ?? session.projectId) === session.projectId &&
            (agentType ?? session.agentType) === session.agentType,
        )
        t.same(await pages(filters), wanted, JSON.stringify(filters))
      }

  async function pages(filters: Omit<SessionQuery, 'limit'>): Promise<Session[]> {
    const found: Session[] = []
    for (;;) {
      const last = found.at(-1)
      const before = last && { createdAt: last.createdAt, id: last.id }
      const page = await listSessionRows(durable, { ...filters, limit: 50, ...(before && { before }) })
      found.push(...page)
      if (page.length < 50) return found
    }
  }
})

void t.test('no page reads the sessions that it does not show', async (t) => {
  const { durable, url } = await postgresFor(t, database, { max: 1 })
  await fill(url, 20_000, statuses.slice(2))
  const old = (
    await durable.query<{ id: string; at: number }>(
      'SELECT id, (extract(epoch FROM created_at) * 1000)::float8 AS at FROM sessions ORDER BY created_at LIMIT 1 OFFSET 500',
    )
  ).rows[0]
  const before = { createdAt: old?.at ?? 0, id: old?.id ?? '' }
  const queries: Omit<SessionQuery, 'limit'>[] = [
    {},
    { before },
    { agentType: 'none' },
    { agentType: 'type-2', before },
    { projectId: 'nobody' },
    { projectId: 'project-1', before },
    { projectId: 'project-1', agentType: 'none' },
    { projectId: 'project-1', agentType: 'type-2', before },
    { status: 'ENDED', before },
    { status: 'PENDING' },
    { status: 'ACTIVE', projectId: 'project-1' },
    { status: 'ENDING', agentType: 'type-2', before },
  ]
  for (const query of queries) {
    const read = await rowsRead()
    await listSessionRows(durable, { ...query, limit: 50 })
    t.ok((await rowsRead()) - read <= 450, JSON.stringify(query))
  }

  /** Of `sessions`, so far, by this connection among others. */
  async function rowsRead(): Promise<number> {
    await durable.query('SELECT pg_stat_force_next_flush()')
    const { rows } = await durable.query<{ read: number }>(
      `SELECT (sum(idx_tup_read) + (SELECT seq_tup_read FROM pg_stat_user_tables WHERE relname = 'sessions'))::int AS read
       FROM pg_stat_user_indexes WHERE relname = 'sessions'`,
    )
    return rows[0]?.read ?? 0
  }
})
