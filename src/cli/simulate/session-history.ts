import { Client } from 'pg'
import { GreenroomError } from '../../errors.ts'
import type { Trace } from './read-trace.ts'

/** Rows of one read: a second of a slow network, and 4 MB. */
const rowsAtOnce = 50_000

/**
 * When the sessions that PostgreSQL still has were asked for. It keeps ended ones for GREENROOM_RETENTION_HOURS, and has none
 * that were refused, so it shows a little less than the demand.
 * @throws GreenroomError GRN_DATABASE_UNAVAILABLE, or GRN_INVALID_TRACE if there are none
 */
export async function readSessionHistory(databaseUrl: string, agentType: string | undefined): Promise<Trace> {
  const client = new Client({ connectionString: databaseUrl, connectionTimeoutMillis: 5_000 })
  const seconds: number[] = []
  try {
    await client.connect()
    await client.query('BEGIN READ ONLY')
    await client.query(
      `DECLARE claims NO SCROLL CURSOR FOR SELECT extract(epoch FROM created_at)::float8 AS at FROM sessions
       WHERE $1::text IS NULL OR agent_type = $1 ORDER BY created_at`,
      [agentType ?? null],
    )
    for (;;) {
      const { rows } = await client.query<{ at: number }>(`FETCH ${rowsAtOnce} FROM claims`)
      for (const { at } of rows) seconds.push(at)
      if (rows.length < rowsAtOnce) break
    }
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error)
    throw new GreenroomError('GRN_DATABASE_UNAVAILABLE', `The sessions cannot be read: ${problem}.`)
  } finally {
    await client.end().catch(() => undefined)
  }
  const [first] = seconds
  if (first === undefined)
    throw new GreenroomError('GRN_INVALID_TRACE', `PostgreSQL has no sessions of ${agentType ?? 'any type'}.`)
  return {
    claimTimes: Float64Array.from(seconds, (at) => at - first),
    epochMs: first * 1_000,
    assumptions: ['Sessions that PostgreSQL still has; opens that were refused are not among them.'],
  }
}
