import { keptHistoryMinutes, type PoolHistoryLedger, type PoolHistoryPoint } from '../domain/pool-history.ts'
import { databaseError, type Postgres, runStatement } from './postgres-client.ts'

interface PointRow {
  at: Date
  idle: number
  claimed: number
  waiting: number | null
  opened: number
  warm: number
}

/** A minute of 200 pools is 200 rows. After a pause of the controllers the rest goes with the next minutes. */
const mostPurged = 2_000

// The sessions of a minute are counted when it is over: an index has them by type and time.
const addSql = `
  WITH purged AS (
    DELETE FROM pool_history WHERE ctid = ANY (ARRAY(
      SELECT ctid FROM pool_history WHERE at < now() - interval '${keptHistoryMinutes} minutes' LIMIT ${mostPurged}))
  )
  INSERT INTO pool_history (agent_type, at, idle, claimed, waiting, opened, warm)
  SELECT sample.agent_type, date_trunc('minute', now()), idle, claimed, waiting, minute.opened, minute.warm
  FROM unnest($1::text[], $2::integer[], $3::integer[], $4::integer[]) AS sample (agent_type, idle, claimed, waiting)
    CROSS JOIN LATERAL (
      SELECT count(*)::integer AS opened, (count(*) FILTER (WHERE warm))::integer AS warm FROM sessions
      WHERE sessions.agent_type = sample.agent_type AND created_at < date_trunc('minute', now())
        AND created_at >= date_trunc('minute', now()) - interval '1 minute') AS minute
  ON CONFLICT (agent_type, at) DO NOTHING`

const readSql = `
  SELECT at, idle, claimed, waiting, opened, warm FROM pool_history
  WHERE agent_type = $1 AND at > now() - $2::integer * interval '1 minute' ORDER BY at`

/** `pool_history`. Not flushed: what a crash takes is a point of a drawing. */
export function createPostgresPoolHistory({ relaxed }: Pick<Postgres, 'relaxed'>): PoolHistoryLedger {
  return {
    async add(samples) {
      const values = [
        samples.map(({ agentType }) => agentType),
        samples.map(({ idle }) => idle),
        samples.map(({ claimed }) => claimed),
        samples.map(({ waiting }) => waiting),
      ]
      try {
        await runStatement(relaxed, { name: 'pool-history-add', text: addSql, values })
      } catch (error) {
        throw databaseError(error)
      }
    },
    async read(agentType, minutes) {
      try {
        const statement = { name: 'pool-history-read', text: readSql, values: [agentType, minutes] }
        return (await runStatement<PointRow>(relaxed, statement)).map(pointFrom)
      } catch (error) {
        throw databaseError(error)
      }
    },
  }
}

function pointFrom({ at, idle, claimed, waiting, opened, warm }: PointRow): PoolHistoryPoint {
  return {
    at: at.toISOString(),
    idle,
    claimed,
    waiting: waiting ?? undefined,
    hitRate: opened === 0 ? undefined : warm / opened,
  }
}
