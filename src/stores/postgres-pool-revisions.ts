import type { QueryConfig } from 'pg'
import type { PoolRevisions } from '../domain/pool-ports.ts'
import type { PoolRevision, PoolShape, RevisionVerdict } from '../domain/pool-revision.ts'
import { auditAppend } from './postgres-audit-log.ts'
import { databaseError, type Postgres } from './postgres-client.ts'

interface RevisionRow {
  revision: string
  template_hash: string
  shape: PoolShape
  policy_digest: string | null
  assign_key_id: string | null
  first_seen: Date
  current_since: Date
  verdict: RevisionVerdict
  reason: string | null
  served: string[]
}

interface OrderRow {
  paused: boolean
  undone_hash: string | null
  pinned_hash: string | null
}

const readSql = `
  SELECT revision, template_hash, shape, policy_digest, assign_key_id, first_seen, current_since, verdict, reason, served
  FROM pool_revisions WHERE agent_type = $1 ORDER BY current_since DESC, first_seen DESC`

const orderSql = 'SELECT paused, undone_hash, pinned_hash FROM pool_rollouts WHERE agent_type = $1'

// A revision that failed and comes back is tried again: somebody applied it anew.
const makeCurrentSql = `
  INSERT INTO pool_revisions (agent_type, revision, template_hash, shape, policy_digest, assign_key_id)
  VALUES ($1, $2, $3, $4, $5, $6)
  ON CONFLICT (agent_type, revision) DO UPDATE SET
    current_since = now(),
    served = '{}',
    reason = NULL,
    verdict = CASE WHEN pool_revisions.verdict = 'failed' THEN 'trial' ELSE pool_revisions.verdict END`

/** Enough to go back by; a document that changes each minute must not fill the table. */
const keptRevisions = 20
const trimSql = `
  DELETE FROM pool_revisions WHERE agent_type = $1 AND revision IN (
    SELECT revision FROM pool_revisions r WHERE agent_type = $1
      AND template_hash IS DISTINCT FROM (SELECT pinned_hash FROM pool_rollouts WHERE agent_type = $1)
    ORDER BY current_since DESC OFFSET ${keptRevisions})`

const judgeSql = `
  UPDATE pool_revisions SET verdict = $3, reason = $4, served = $5 WHERE agent_type = $1 AND revision = $2`

const pauseSql = `
  INSERT INTO pool_rollouts (agent_type, paused) VALUES ($1, true)
  ON CONFLICT (agent_type) DO UPDATE SET paused = true, ordered_at = now()`

const undoSql = `
  INSERT INTO pool_rollouts (agent_type, undone_hash, pinned_hash) VALUES ($1, $2, $3)
  ON CONFLICT (agent_type) DO UPDATE
    SET undone_hash = $2, pinned_hash = $3, paused = false, ordered_at = now()`

const resumeSql = `
  WITH tried AS (
    UPDATE pool_revisions SET verdict = 'trial', reason = NULL, served = '{}' WHERE agent_type = $1 AND verdict = 'failed')
  DELETE FROM pool_rollouts WHERE agent_type = $1`

const forgetSql = `
  WITH orders AS (DELETE FROM pool_rollouts WHERE agent_type = $1)
  DELETE FROM pool_revisions WHERE agent_type = $1`

/** `pool_revisions` and `pool_rollouts`. */
export function createPostgresPoolRevisions({ durable }: Pick<Postgres, 'durable'>): PoolRevisions {
  async function rows<T extends object>(text: string, values: unknown[]): Promise<T[]> {
    try {
      return (await durable.query<T>(text, values)).rows
    } catch (error) {
      throw databaseError(error)
    }
  }

  /** An order and its entry in the audit log: both or neither. */
  async function together(statements: readonly QueryConfig[]): Promise<void> {
    try {
      const client = await durable.connect()
      let failure: Error | undefined
      try {
        await client.query('BEGIN')
        for (const statement of statements) await client.query(statement)
        await client.query('COMMIT')
      } catch (error) {
        failure = error as Error
        throw error
      } finally {
        // A connection with an open transaction is not used again.
        client.release(failure)
      }
    } catch (error) {
      throw databaseError(error)
    }
  }

  return {
    async read(agentType) {
      const [revisions, [order]] = await Promise.all([
        rows<RevisionRow>(readSql, [agentType]),
        rows<OrderRow>(orderSql, [agentType]),
      ])
      return {
        revisions: revisions.map(revisionFrom),
        order: {
          paused: order?.paused ?? false,
          undoneHash: order?.undone_hash ?? undefined,
          pinnedHash: order?.pinned_hash ?? undefined,
        },
      }
    },
    async makeCurrent(agentType, { revision, templateHash, shape, policyDigest, assignKeyId }) {
      const made = [agentType, revision, templateHash, JSON.stringify(shape), policyDigest, assignKeyId]
      await rows(makeCurrentSql, made)
      await rows(trimSql, [agentType])
    },
    async judge(agentType, revision, { verdict, reason, served }) {
      await rows(judgeSql, [agentType, revision, verdict, reason, served])
    },
    async order(agentType, order, by) {
      const action = `rollout.${order.kind}` as const
      const note = auditAppend({ by, projectId: undefined, action, subject: agentType })
      if (order.kind === 'pause') await together([{ text: pauseSql, values: [agentType] }, note])
      else if (order.kind === 'resume') await together([{ text: resumeSql, values: [agentType] }, note])
      else {
        const values = [agentType, order.undoneHash, order.pinnedHash]
        await together([{ text: undoSql, values }, note])
      }
    },
    async forget(agentType) {
      await rows(forgetSql, [agentType])
    },
  }
}

function revisionFrom(row: RevisionRow): PoolRevision {
  return {
    revision: row.revision,
    templateHash: row.template_hash,
    shape: row.shape,
    policyDigest: row.policy_digest ?? undefined,
    assignKeyId: row.assign_key_id ?? undefined,
    firstSeen: row.first_seen.getTime(),
    currentSince: row.current_since.getTime(),
    verdict: row.verdict,
    reason: row.reason ?? undefined,
    served: row.served,
  }
}
