import { DatabaseError, Pool, type PoolConfig, type QueryConfig, type QueryResultRow } from 'pg'
import { GreenroomError } from '../errors.ts'
import type { Logger } from '../logging.ts'

/** Two seconds are the promise: an open that PostgreSQL does not answer is refused by then. */
const connectTimeoutMs = 800
const statementTimeoutMs = 900
/** From the begin of a statement. The time that is left after a failure may be used to learn how it ended. */
export const answerWithinMs = 1_700
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
 * Durable statements (a claim must survive a crash, and so must an activation), and relaxed ones
 * (`synchronous_commit=off`: visible at once, on disk within a second): a renewal that a crash takes comes again.
 */
export interface Postgres {
  readonly durable: Pool
  readonly relaxed: Pool
  /** A new connection for each statement: a fault that cut one connection has cut the idle ones as well. */
  readonly fresh: Pool
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
  for (const pool of [durable, relaxed, fresh]) {
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
    async close() {
      await Promise.all([durable.end(), relaxed.end(), fresh.end()])
    },
  }
}

/**
 * SQLSTATE classes that say "not now" rather than "wrong": connection, read-only standby, access, catalogue, rollback
 * (deadlock), resources, locks, operator intervention, system.
 */
const unavailableClasses = ['08', '25', '28', '3D', '40', '53', '55', '57', '58']

/** The violated constraint, if that is what the error is. */
export function violatedConstraint(error: unknown): string | undefined {
  if (!(error instanceof DatabaseError) || error.code !== '23505') return undefined
  return error.constraint ?? 'unknown'
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
export async function runStatement<T extends QueryResultRow>(
  pool: Pool,
  statement: QueryConfig,
): Promise<T[]> {
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
