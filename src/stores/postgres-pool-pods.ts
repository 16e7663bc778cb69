import type { PoolPod } from '../domain/pool-pod.ts'
import type { PoolPodLedger } from '../domain/pool-ports.ts'
import { databaseError, type Postgres } from './postgres-client.ts'

/**
 * SQL: whether the controller has noted this pod for this agent type, or notes are not complete yet. Both lookups go by
 * a primary key, so a claim stays one statement and asks nobody else.
 */
export function isPoolPod(podUid: string, agentType: string): string {
  return `(
    (SELECT p.agent_type FROM pool_pods p WHERE p.pod_uid = ${podUid}) = ${agentType}
    OR (SELECT complete_since IS NULL FROM pool_pod_notes WHERE singleton))`
}

interface PoolPodRow {
  pod_uid: string
  agent_type: string
  template_hash: string
  spec_digest: string
}

const insertSql = `
  INSERT INTO pool_pods (pod_uid, agent_type, template_hash, spec_digest)
  SELECT DISTINCT ON (uid) uid, type, template, digest
  FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS pod (uid, type, template, digest)
  ORDER BY uid
  ON CONFLICT (pod_uid) DO NOTHING`

// The notes of older pods and the end of their grace are one statement: a crash leaves both or neither.
const adoptSql = `
  WITH noted AS (${insertSql})
  UPDATE pool_pod_notes SET complete_since = now() WHERE singleton AND complete_since IS NULL`

const notedSql = `
  SELECT pod_uid, agent_type, template_hash, spec_digest FROM pool_pods WHERE pod_uid = ANY ($1::text[])`

/** Which pods the controller made: `pool_pods`. */
export function createPostgresPoolPods({ durable }: Pick<Postgres, 'durable'>): PoolPodLedger {
  async function rows<T extends object>(text: string, values: unknown[]): Promise<T[]> {
    try {
      return (await durable.query<T>(text, values)).rows
    } catch (error) {
      throw databaseError(error)
    }
  }

  return {
    async note(pods) {
      if (pods.length > 0) await rows(insertSql, columnsOf(pods))
    },
    async noted(podUids) {
      if (podUids.length === 0) return []
      const found = await rows<PoolPodRow>(notedSql, [podUids])
      return found.map((row) => ({
        podUid: row.pod_uid,
        agentType: row.agent_type,
        templateHash: row.template_hash,
        specDigest: row.spec_digest,
      }))
    },
    async isComplete() {
      const text = 'SELECT complete_since IS NOT NULL AS complete FROM pool_pod_notes WHERE singleton'
      const [row] = await rows<{ complete: boolean }>(text, [])
      return row?.complete ?? false
    },
    async adopt(pods) {
      await rows(adoptSql, columnsOf(pods))
    },
  }
}

function columnsOf(pods: readonly PoolPod[]): unknown[] {
  return [
    pods.map((pod) => pod.podUid),
    pods.map((pod) => pod.agentType),
    pods.map((pod) => pod.templateHash),
    pods.map((pod) => pod.specDigest),
  ]
}
