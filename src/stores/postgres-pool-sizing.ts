import type { QueryResultRow } from 'pg'
import type { PoolDecision } from '../domain/pool-decision.ts'
import type { SizingLedger } from '../domain/sizing-ports.ts'
import { databaseError, type Postgres } from './postgres-client.ts'

/** Of one pool, and a day: enough to see why last night went as it did. */
const decisionsKept = 10_000
/** More than a busy pool makes between two purges of a minute; it takes about 0.1 s. */
const purgedAtOnce = 20_000
/** Of decisions. It takes some 20 ms; all 10,000 at once might take longer than a statement may. */
const rowsPerRead = 1_000
/** Rows that a look without Redis counts at most. */
const openedAtMost = 10_000

const latestSeq = '9223372036854775807'

const keepSql = `
  INSERT INTO pool_sizing (agent_type, decided_at, kept)
  SELECT type, to_timestamp(at / 1000.0), text::json FROM unnest($1::text[], $2::float8[], $3::text[]) AS s (type, at, text)
  ON CONFLICT (agent_type) DO UPDATE SET decided_at = excluded.decided_at, kept = excluded.kept, saved_at = now()
  WHERE pool_sizing.decided_at <= excluded.decided_at`

const noteSql = `
  INSERT INTO pool_decisions (agent_type, run, step, decided_at, base, bounds, input, target, terms)
  SELECT type, run, step, to_timestamp(at / 1000.0), base::json, bounds::json, input::json, target, terms::json
  FROM unnest($1::text[], $2::text[], $3::int[], $4::float8[], $5::text[], $6::text[], $7::text[], $8::int[], $9::text[])
    WITH ORDINALITY AS d (type, run, step, at, base, bounds, input, target, terms, position)
  ORDER BY position`

const decisionsSql = `
  SELECT seq, agent_type, run, step, base, bounds, input, target, terms FROM pool_decisions
  WHERE agent_type = $1 AND seq < $2 ORDER BY seq DESC LIMIT $3`

const openedSql = `
  SELECT count(*)::int AS arrivals, (count(*) FILTER (WHERE NOT warm))::int AS misses FROM (
    SELECT warm FROM sessions WHERE agent_type = $1 AND created_at > to_timestamp($2 / 1000.0)
    ORDER BY created_at DESC, id DESC LIMIT ${openedAtMost}) opened`

const purgeDecisionsSql = `
  DELETE FROM pool_decisions WHERE seq IN (
    SELECT seq FROM pool_decisions
    WHERE agent_type = $1 AND (
      decided_at < now() - interval '24 hours'
      OR seq <= (SELECT seq FROM pool_decisions WHERE agent_type = $1 ORDER BY seq DESC OFFSET ${decisionsKept} LIMIT 1))
    ORDER BY seq LIMIT ${purgedAtOnce})`

const purgeSizingSql = `
  DELETE FROM pool_sizing WHERE agent_type <> ALL ($1::text[]) AND saved_at < now() - interval '24 hours'`

interface DecisionRow extends QueryResultRow {
  /** bigint, as text. */
  seq: string
  agent_type: string
  run: string
  step: number
  base: PoolDecision['base'] | null
  bounds: PoolDecision['bounds']
  input: PoolDecision['input']
  target: number
  terms: PoolDecision['terms']
}

/** `pool_sizing` and `pool_decisions`. What a crash takes of a second costs a pool nothing, so that no write waits for a disk. */
export function createPostgresPoolSizing({ relaxed }: Pick<Postgres, 'relaxed'>): SizingLedger {
  async function rows<T extends QueryResultRow>(text: string, values: unknown[]): Promise<T[]> {
    try {
      return (await relaxed.query<T>(text, values)).rows
    } catch (error) {
      throw databaseError(error)
    }
  }

  return {
    async read(agentType) {
      const text = 'SELECT kept FROM pool_sizing WHERE agent_type = $1'
      const [row] = await rows<{ kept: unknown }>(text, [agentType])
      return row?.kept
    },
    async keep(sizings) {
      if (sizings.length === 0) return
      const columns = [
        sizings.map(({ agentType }) => agentType),
        sizings.map(({ decidedAt }) => decidedAt),
        sizings.map(({ kept }) => JSON.stringify(kept)),
      ]
      await rows(keepSql, columns)
    },
    async noteDecisions(decisions) {
      if (decisions.length > 0) await rows(noteSql, columnsOf(decisions))
    },
    async decisions(agentType, limit) {
      const found: DecisionRow[] = []
      for (let before = latestSeq; found.length < limit; ) {
        const most = Math.min(rowsPerRead, limit - found.length)
        const part = await rows<DecisionRow>(decisionsSql, [agentType, before, most])
        found.push(...part)
        before = part.at(-1)?.seq ?? before
        if (part.length < most) break
      }
      return found.reverse().map(decisionOf)
    },
    async pools() {
      const found = await rows<{ agent_type: string }>('SELECT agent_type FROM pool_sizing ORDER BY 1', [])
      return found.map((row) => row.agent_type)
    },
    async openedSince(agentType, afterMs) {
      const [opened] = await rows<{ arrivals: number; misses: number }>(openedSql, [agentType, afterMs])
      return opened ?? { arrivals: 0, misses: 0 }
    },
    async purge(poolsInForce) {
      for (const agentType of await this.pools()) await rows(purgeDecisionsSql, [agentType])
      await rows(purgeSizingSql, [poolsInForce])
    },
  }
}

function columnsOf(decisions: readonly PoolDecision[]): unknown[] {
  const json = (read: (decision: PoolDecision) => unknown) =>
    decisions.map((decision) => {
      const value = read(decision)
      return value === undefined ? null : JSON.stringify(value)
    })
  return [
    decisions.map(({ agentType }) => agentType),
    decisions.map(({ run }) => run),
    decisions.map(({ step }) => step),
    decisions.map(({ input }) => input.now),
    json(({ base }) => base),
    json(({ bounds }) => bounds),
    json(({ input }) => input),
    decisions.map(({ target }) => target),
    json(({ terms }) => terms),
  ]
}

function decisionOf({ agent_type: agentType, base, ...rest }: DecisionRow): PoolDecision {
  const { run, step, bounds, input, target, terms } = rest
  return { agentType, run, step, ...(base && { base }), bounds, input, target, terms }
}
