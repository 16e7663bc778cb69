import { setTimeout } from 'node:timers/promises'
import pg from 'pg'
import { makePartition } from '../stores/log-partition-rows.ts'
import { addSessions } from './rows-fill.ts'
import { connectVersion, migrateWith, type RowsVersion } from './rows-version.ts'

interface ChurnOptions {
  readonly adminUrl: string
  readonly folder: string
  readonly days: number
  readonly say: (line: string) => void
}

/** What a table with its indexes takes, MB, and rows that are deleted and not yet swept, at the end of a day. */
interface TableSize {
  readonly mb: number
  readonly dead: number
}

const perDay = 10_000
const keptDays = 7
const purgedAtOnce = 1_000
const dayMs = 86_400_000
const logs = ['session_events', 'audit_log'] as const
/** Of these the sizes are told; a partitioned one with all its partitions. */
const tables = ['sessions', 'session_events', 'audit_log', 'pod_claims', 'pool_pods'] as const

/**
 * The tables over days: each evening what is older than a week is purged, autovacuum does what its settings say, and another
 * day's sessions come. Time is not shifted: the filled week lies in the past, and each day the purge reaches a day further.
 */
export async function runChurn({ adminUrl, folder, days, say }: ChurnOptions): Promise<readonly object[]> {
  const database = 'rows_churn'
  const admin = new pg.Client({ connectionString: adminUrl })
  await admin.connect()
  await admin.query(`DROP DATABASE IF EXISTS ${database}`)
  await admin.query(`CREATE DATABASE ${database}`)
  const url = new URL(adminUrl)
  url.pathname = `/${database}`
  await migrateWith(folder, url.href)
  const client = new pg.Client({ connectionString: url.href })
  await client.connect()
  const version = await connectVersion(folder, url.href)
  const course: object[] = []
  const note = async (day: number, purgeMs: number) => {
    const sizes = await sizesOf(client)
    course.push({ day, purgeMs, ...sizes })
    say(
      `day ${day}: ${Object.entries(sizes)
        .map(([table, { mb, dead }]) => `${table} ${mb} MB, ${dead} dead`)
        .join('; ')}`,
    )
  }
  try {
    if (version.dropOldest)
      for (let daysAgo = keptDays + 1; daysAgo > 0; daysAgo -= 1)
        for (const log of logs) await makePartition(client, log, daysAgo)
    const week = { live: 0, pools: 20, projects: 50 }
    await addSessions(client, { ...week, ended: perDay * keptDays, days: keptDays })
    await client.query('VACUUM ANALYZE')
    await note(0, 0)
    for (let day = 1; day <= days; day += 1) {
      const purgeMs = await purgeAll(version, (keptDays - day) * dayMs)
      await sweep(client)
      await addSessions(client, { ...week, ended: perDay, days: 1 })
      await note(day, purgeMs)
    }
    return course
  } finally {
    await version.close()
    await client.end()
    await admin.query(`DROP DATABASE ${database}`)
    await admin.end()
  }
}

/** As the retention does it; resolves with how long it took, ms. */
async function purgeAll(version: RowsVersion, afterMs: number): Promise<number> {
  const begun = performance.now()
  for (let most = purgedAtOnce; most >= purgedAtOnce; ) {
    const purged = await version.ledger.purge({
      sessionsAfterMs: afterMs,
      claimsAfterMs: afterMs,
      limit: purgedAtOnce,
    })
    const audit = await version.audit.purge({ afterMs, limit: purgedAtOnce })
    most = Math.max(...Object.values(purged), audit)
  }
  for (const log of version.dropOldest ? logs : [])
    while ((await version.dropOldest?.(log, afterMs)) !== undefined);
  return Math.round(performance.now() - begun)
}

/** What autovacuum would do now: VACUUM each table of which more is dead than its settings allow. */
async function sweep(client: pg.Client): Promise<void> {
  // Each connection reports its counts when it has been idle for a second.
  await setTimeout(1_500)
  const { rows } = await client.query<{ name: string }>(`
    SELECT c.oid::regclass::text AS name FROM pg_class c JOIN pg_stat_user_tables t ON t.relid = c.oid
    WHERE n_dead_tup > 50 + reltuples * coalesce(
      (SELECT option_value::float8 FROM pg_options_to_table(reloptions) WHERE option_name = 'autovacuum_vacuum_scale_factor'),
      current_setting('autovacuum_vacuum_scale_factor')::float8)`)
  for (const { name } of rows) await client.query(`VACUUM ANALYZE ${name}`)
}

async function sizesOf(client: pg.Client): Promise<Record<string, TableSize>> {
  const { rows } = await client.query<TableSize & { name: string }>(
    `SELECT root.name, round(sum(pg_total_relation_size(part.relid)) / 1e6)::int AS mb,
       coalesce(sum(n_dead_tup), 0)::int AS dead
     FROM unnest($1::text[]) AS root (name)
       CROSS JOIN LATERAL (
         SELECT root.name::regclass AS relid UNION ALL SELECT inhrelid FROM pg_inherits WHERE inhparent = root.name::regclass) part
       LEFT JOIN pg_stat_user_tables t ON t.relid = part.relid
     GROUP BY 1`,
    [tables],
  )
  return Object.fromEntries(rows.map(({ name, mb, dead }) => [name, { mb, dead }]))
}
