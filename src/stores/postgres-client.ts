import { DatabaseError, Pool, type PoolConfig, type QueryConfig, type QueryResultRow } from 'pg'
import { GreenroomError } from '../errors.ts'
import type { Logger } from '../logging.ts'
import { traced } from '../tracing/spans.ts'
import { usageConstraint } from './project-usage.ts'

/** Two seconds are the promise: an open that PostgreSQL does not answer is refused by then. */
const connectTimeoutMs = 800
const statementTimeoutMs = 900
/** From the begin of a statement. The time that is left after a failure may be used to learn how it ended. */
export const answerWithinMs = 1_700
/** Enough to read rows by their primary key, to learn how a statement ended. */
export const leastLookMs = 100
/** Of a group commit. The rest of {@link answerWithinMs} is for a last look at the row. */
export const groupAnswerWithinMs = 1_600
/**
 * A group commit sends its next statement when the last one is answered, or after this time. A healthy statement takes
 * 1 ms, and one large group costs PostgreSQL and this process less than two small ones. A statement that waits for a row
 * holds the others up for no longer than this.
 */
export const groupPatienceMs = 2
/** Longer than any healthy statement holds a row, and well below statement_timeout, so that others can still be run. */
export const lockTimeoutMs = 400
const retryAfterMs = 1_000
/** Used after failures only: a server that comes back must not be met by a crowd of connections. */
const mostFresh = 4

/**
 * With arrays as parameters PostgreSQL thinks a plan for one element a little cheaper than the general one, and plans
 * each statement anew. That cost 0.8 ms of its processor time for an open at c=1, more than everything else.
 */
const planOnce = '-c plan_cache_mode=force_generic_plan'

/**
 * A plan is kept, and the first one is made while the tables are empty, when a sequential scan is cheapest. With 2,300
 * sessions that plan took 2.2 ms for one activation (0.2 ms by key), and more with each session, until the first ANALYZE.
 * So sequential scans are priced out: every statement here finds its rows by an index. One table has a single row and no
 * index; the price of reading it must not make PostgreSQL compile the statement (100 ms), so jit is off too.
 */
const byIndex = '-c enable_seqscan=off -c jit=off'

/**
 * Reports read months of rows, for which a sequential scan or a bitmap is right and the plan depends on the values. A
 * month of a million pods takes about a second, so ten are for a busy server. Two at once are what the list gate lets in.
 */
const reportTimeoutMs = 10_000
/** PostgreSQL expects few rows in a range of time and would sort a million of them on disk to group them; hashing is free. */
const reportOptions = '-c default_transaction_read_only=on -c enable_sort=off -c jit=off'
const mostReports = 2

/**
 * Durable statements (a claim must survive a crash, and so must an activation), and relaxed ones
 * (`synchronous_commit=off`: visible at once, on disk within a second): a renewal that a crash takes comes again.
 */
export interface Postgres {
  readonly durable: Pool
  readonly relaxed: Pool
  /** A new connection for each statement: a fault that cut one connection has cut the idle ones as well. */
  readonly fresh: Pool
  /** For reports: it can write nothing, and its statements may take seconds. Connects when it is used. */
  readonly reports: Pool
  close(): Promise<void>
}

export function createPostgres(databaseUrl: string, logger: Logger, max = 10): Postgres {
  const config: PoolConfig = {
    connectionString: databaseUrl,
    options: `${planOnce} ${byIndex}`,
    max,
    connectionTimeoutMillis: connectTimeoutMs,
    statement_timeout: statementTimeoutMs,
    lock_timeout: lockTimeoutMs,
    idle_in_transaction_session_timeout: statementTimeoutMs,
    // The server cancels at statement_timeout; this time-out is for a server that does not answer at all.
    query_timeout: statementTimeoutMs + 100,
    keepAlive: true,
    application_name: 'greenroom',
  }
  const durable = new Pool(config)
  const relaxed = new Pool({ ...config, options: `${planOnce} ${byIndex} -c synchronous_commit=off` })
  const fresh = new Pool({ ...config, max: mostFresh, maxUses: 1 })
  const reports = new Pool({
    ...config,
    options: reportOptions,
    max: mostReports,
    statement_timeout: reportTimeoutMs,
    query_timeout: reportTimeoutMs + 100,
  })
  for (const pool of [durable, relaxed, fresh, reports]) {
    // An idle connection that PostgreSQL closed; the pool replaces it.
    pool.on('error', (error) => logger.warn({ err: error }, 'postgresql connection lost'))
    // The pool no longer listens to a connection that it is closing. An error at that moment ("terminating connection due
    // to administrator command") would end the whole process.
    pool.on('connect', (client) => {
      client.on('error', (error) => logger.debug({ err: error }, 'postgresql connection ended'))
    })
  }
  return {
    durable,
    relaxed,
    fresh,
    reports,
    async close() {
      await Promise.all([durable.end(), relaxed.end(), fresh.end(), reports.end()])
    },
  }
}

/** What each connection asks for and could not work without; `relaxed` alone has the last one. */
const wantedSettings = {
  statement_timeout: `${statementTimeoutMs}ms`,
  lock_timeout: `${lockTimeoutMs}ms`,
  plan_cache_mode: 'force_generic_plan',
} as const

/**
 * Throws GRN_DATABASE_POOLED when PostgreSQL has not got the settings of a connection. PgBouncer refuses them, or drops
 * them where `ignore_startup_parameters` says so; then a statement could run for ever, and in transaction mode a relaxed
 * statement would run on a durable connection. Asked for on the connection that has the most of them.
 */
export async function assertSettings({ relaxed }: Pick<Postgres, 'relaxed'>): Promise<void> {
  const wanted: Record<string, string> = { ...wantedSettings, synchronous_commit: 'off' }
  const names = Object.keys(wanted)
  const { rows } = await relaxed
    .query<{ name: string; value: string }>(
      `SELECT name, current_setting(name) AS value FROM unnest($1::text[]) AS name`,
      [names],
    )
    .catch((error: unknown) => {
      throw isRefusedParameter(error) ? pooled('the pooler refuses them') : error
    })
  const lost = rows.filter(({ name, value }) => wanted[name] !== value).map(({ name }) => name)
  if (lost.length > 0) throw pooled(`these are not in force: ${lost.join(', ')}`)
}

/** As PgBouncer says it, in a protocol violation (08P01), before it connects. */
export function isRefusedParameter(error: unknown): boolean {
  return error instanceof DatabaseError && /unsupported startup parameter/.test(error.message)
}

function pooled(found: string): GreenroomError {
  return new GreenroomError(
    'GRN_DATABASE_POOLED',
    `The settings of a connection do not reach PostgreSQL: ${found}.`,
  )
}

/**
 * SQLSTATE classes that say "not now" rather than "wrong": connection, read-only standby, access, catalogue, rollback
 * (deadlock), resources, locks, operator intervention, system.
 */
const unavailableClasses = ['08', '25', '28', '3D', '40', '53', '55', '57', '58']

/** The violated UNIQUE constraint or the ceiling of a project, if that is what the error is. */
export function violatedConstraint(error: unknown): string | undefined {
  if (!(error instanceof DatabaseError)) return undefined
  if (error.code === '23514' && error.constraint === usageConstraint) return usageConstraint
  return error.code === '23505' ? (error.constraint ?? 'unknown') : undefined
}

/** Whether a needed row was locked by others for longer than {@link lockTimeoutMs}. */
function isLockTimeout(error: unknown): boolean {
  return error instanceof DatabaseError && error.code === '55P03'
}

/** Whether a failed group need not be tried one by one, because PostgreSQL is not there for any of them. */
export function failsAll(error: unknown): boolean {
  return isUnavailable(error) && !isLockTimeout(error)
}

/** Whether the error says that PostgreSQL is not there or not well, rather than that a statement is wrong. */
function isUnavailable(error: unknown): boolean {
  // By class, because the form of the code does not tell: EPIPE has five capitals too.
  if (error instanceof DatabaseError) return unavailableClasses.includes(error.code?.slice(0, 2) ?? '')
  return !(error instanceof TypeError)
}

/** Every error becomes GRN_DATABASE_UNAVAILABLE, except a mistake in our own SQL. */
export function databaseError(error: unknown): Error {
  if (error instanceof GreenroomError) return error
  if (!isUnavailable(error)) return error as Error
  return new GreenroomError('GRN_DATABASE_UNAVAILABLE', undefined, { cause: error, retryAfterMs })
}

/**
 * Runs one statement; rejects with pg's own error. `pool.query` drops the connection after every error, but a violated
 * constraint or a locked row is an answer like any other: a storm of claims must not become a storm of connections.
 */
export function runStatement<T extends QueryResultRow>(pool: Pool, statement: QueryConfig): Promise<T[]> {
  const { name = 'statement' } = statement
  const attributes = { 'db.system.name': 'postgresql', 'db.operation.name': name }
  return traced(`sql ${name}`, () => runOnce(pool, statement), { role: 'client', attributes })
}

async function runOnce<T extends QueryResultRow>(pool: Pool, statement: QueryConfig): Promise<T[]> {
  const client = await pool.connect()
  // The statement rejects too; without a listener the event would end the process.
  const ignore = () => {}
  client.on('error', ignore)
  let reusable = true
  try {
    return (await client.query<T>(statement)).rows
  } catch (error) {
    reusable = violatedConstraint(error) !== undefined || isLockTimeout(error)
    throw error
  } finally {
    client.removeListener('error', ignore)
    client.release(!reusable)
  }
}
