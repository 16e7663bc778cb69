import { Redis } from 'ioredis'
import pg from 'pg'
import { serverUsername } from '../../bed/replicas/greenroom-processes.ts'
import type { GreenroomBed } from './bench-bed.ts'

/** What the engines have done so far, by their own counters. */
export interface EngineCounts {
  readonly atMs: number
  readonly 'PostgreSQL transactions': number
  readonly 'PostgreSQL WAL bytes': number
  readonly 'Redis commands': number
  /** By the session server; the scheduler's and the kubelet's come on top. */
  readonly 'API server writes': number
  readonly 'API server writes, all': number
  /** Sent to all who watch pods. */
  readonly 'watch events': number
  readonly 'watch bytes': number
}

type CountName = Exclude<keyof EngineCounts, 'atMs'>
export type SessionCosts = Readonly<Record<CountName, number>>

export async function readCounts(bed: GreenroomBed): Promise<EngineCounts> {
  const [postgres, redis, writes, watches] = await Promise.all([
    countsOfPostgres(bed.databaseUrl),
    commandsOfRedis(bed.redis.url),
    bed.plane.writes(),
    countsOfWatches(bed),
  ])
  const done = writes.filter(({ dryRun }) => !dryRun)
  return {
    atMs: performance.now(),
    ...postgres,
    'Redis commands': redis,
    'API server writes': done.filter(({ user }) => user === serverUsername).length,
    'API server writes, all': done.length,
    ...watches,
  }
}

async function countsOfPostgres(url: string) {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    const { rows } = await client.query<{ transactions: number; wal: number }>(`
      SELECT xact_commit::float8 AS transactions, pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::float8 AS wal
      FROM pg_stat_database WHERE datname = current_database()`)
    return {
      'PostgreSQL transactions': rows[0]?.transactions ?? 0,
      'PostgreSQL WAL bytes': rows[0]?.wal ?? 0,
    }
  } finally {
    await client.end()
  }
}

async function commandsOfRedis(url: string): Promise<number> {
  const redis = new Redis(url)
  try {
    return Number(/total_commands_processed:(\d+)/.exec(await redis.info('stats'))?.[1] ?? 0)
  } finally {
    redis.disconnect()
  }
}

async function countsOfWatches({ plane }: GreenroomBed) {
  const { stdout: text } = await plane.kubectl(['get', '--raw', '/metrics'])
  const sumOf = (name: string) =>
    text
      .split('\n')
      .filter((line) => line.startsWith(`${name}{`) && /resource="pods"|kind="Pod"/.test(line))
      .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0)
  return {
    'watch events': sumOf('apiserver_watch_events_total'),
    'watch bytes': sumOf('apiserver_watch_events_sizes_sum'),
  }
}

/** What a session costs each engine: what was counted, less what goes on without sessions. */
export function costsEach(
  rest: readonly [EngineCounts, EngineCounts],
  load: readonly [EngineCounts, EngineCounts],
  sessions: number,
): SessionCosts {
  const msOf = ([before, after]: readonly [EngineCounts, EngineCounts]) => after.atMs - before.atMs
  const each = (name: CountName) => {
    const perMs = (rest[1][name] - rest[0][name]) / msOf(rest)
    return Math.round(((load[1][name] - load[0][name] - perMs * msOf(load)) / sessions) * 100) / 100
  }
  const { atMs: _time, ...counts } = load[0]
  return Object.fromEntries(
    (Object.keys(counts) as CountName[]).map((name) => [name, each(name)]),
  ) as unknown as SessionCosts
}
