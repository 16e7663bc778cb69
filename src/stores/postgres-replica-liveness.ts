import type { ReplicaLiveness } from '../domain/session-ports.ts'
import { renewalGapMs } from './postgres-claim-ledger.ts'
import { databaseError, type Postgres, runStatement } from './postgres-client.ts'
import { heldMs } from './postgres-session-claims.ts'

// The first note after a gap ends the gap. All replicas share one row: renewals can be taken while any of them is there.
const aliveSql = `
  UPDATE renewal_service SET alive_at = now(),
    gap_ended_at = CASE WHEN alive_at < now() - ${renewalGapMs} * interval '1 ms' THEN now() ELSE gap_ended_at END`

const holdSql = `
  UPDATE sessions SET held_until = now() + ${heldMs} * interval '1 ms'
  WHERE id IN (
    SELECT id FROM sessions WHERE held_by = $1 AND status = 'PENDING' AND held_until > now()
    ORDER BY id FOR NO KEY UPDATE)`

/** An API replica's sign of life in PostgreSQL, on PostgreSQL's clock. */
export function createPostgresReplicaLiveness({ relaxed }: Pick<Postgres, 'relaxed'>): ReplicaLiveness {
  return {
    async note(replica) {
      try {
        await runStatement(relaxed, { name: 'replica-alive', text: aliveSql })
        await runStatement(relaxed, { name: 'replica-holds', text: holdSql, values: [replica] })
      } catch (error) {
        throw databaseError(error)
      }
    },
  }
}
