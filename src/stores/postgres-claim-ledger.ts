import type { ClaimLedger } from '../domain/ports.ts'
import type { Session } from '../domain/session.ts'
import type { ClaimPurpose, PodClaim } from '../domain/slot.ts'
import { databaseError, type Postgres } from './postgres-client.ts'
import { type SessionRow, sessionColumns, sessionFrom } from './session-row.ts'

interface ClaimRow {
  pod_uid: string
  purpose: ClaimPurpose
  session_id: string | null
  session_status: string | null
  epoch: number | null
  reason: string | null
  claimed_ms: number
}

// A session that has gone on to another pod (a reopened record) has ended as far as this pod is concerned.
const claimsSql = `
  SELECT c.pod_uid, c.purpose, c.session_id,
    CASE WHEN s.pod_uid = c.pod_uid THEN s.status WHEN s.id IS NOT NULL THEN 'ENDED' END AS session_status, c.epoch, c.reason,
    (extract(epoch FROM c.at) * 1000)::float8 AS claimed_ms
  FROM pod_claims c LEFT JOIN sessions s ON s.id = c.session_id
  WHERE c.pod_uid = ANY ($1::text[])`

// Sorted, so that two retirements of the same pods cannot wait for each other.
const retireSql = `
  INSERT INTO pod_claims (pod_uid, purpose, reason)
  SELECT DISTINCT uid, 'retired', $2 FROM unnest($1::text[]) AS uid ORDER BY uid
  ON CONFLICT (pod_uid) DO UPDATE SET pod_uid = excluded.pod_uid WHERE pod_claims.purpose = 'retired'
  RETURNING pod_uid`

const lapseSql = `
  WITH late AS (
    SELECT id FROM sessions
    WHERE status IN ('PENDING', 'ACTIVE') AND lease_expires_at < now()
    ORDER BY lease_expires_at LIMIT $1 FOR UPDATE SKIP LOCKED
  ), s AS (
    UPDATE sessions SET status = 'ENDING', ending_at = now(), end_reason = CASE
      WHEN status = 'PENDING' THEN 'failed:abandoned'
      WHEN max_ends_at <= now() THEN 'lapsed:max-duration'
      ELSE 'lapsed:lease' END
    FROM late WHERE sessions.id = late.id
    RETURNING sessions.*
  )
  SELECT ${sessionColumns} FROM s`

// A session that was never ACTIVE failed: its key may be tried again.
const endOnPodsSql = `
  WITH dead AS (SELECT * FROM unnest($1::text[], $2::text[]) AS dead (pod_uid, reason)), s AS (
    UPDATE sessions SET status = 'ENDING', ending_at = now(),
      end_reason = CASE WHEN status = 'PENDING' THEN 'failed:delivery' ELSE dead.reason END
    FROM dead WHERE sessions.pod_uid = dead.pod_uid AND status IN ('PENDING', 'ACTIVE')
    RETURNING sessions.*
  )
  SELECT ${sessionColumns} FROM s`

const finishSql = `
  UPDATE sessions SET status = 'ENDED', ended_at = now() WHERE id = ANY ($1::uuid[]) AND status = 'ENDING'`

/** `pod_claims` and `sessions` for the controller: the facts it reconciles Kubernetes with. */
export function createPostgresClaimLedger({ durable }: Postgres): ClaimLedger {
  async function rows<T extends object>(text: string, values: unknown[]): Promise<T[]> {
    try {
      return (await durable.query<T>(text, values)).rows
    } catch (error) {
      throw databaseError(error)
    }
  }
  const sessions = async (text: string, values: unknown[]): Promise<Session[]> =>
    (await rows<SessionRow>(text, values)).map(sessionFrom)

  return {
    async claimsOf(podUids) {
      const claims = await rows<ClaimRow>(claimsSql, [podUids])
      return new Map(claims.map((row) => [row.pod_uid, claimFrom(row)]))
    },
    async retire(podUids, reason) {
      const retired = await rows<{ pod_uid: string }>(retireSql, [podUids, reason])
      return retired.map((row) => row.pod_uid)
    },
    lapse: (limit) => sessions(lapseSql, [limit]),
    endOnPods: (deaths) =>
      sessions(endOnPodsSql, [deaths.map((death) => death.podUid), deaths.map((death) => death.reason)]),
    ending: (limit) =>
      sessions(
        `SELECT ${sessionColumns} FROM sessions s WHERE status = 'ENDING' ORDER BY ending_at LIMIT $1`,
        [limit],
      ),
    async finishEnding(ids) {
      await rows(finishSql, [ids])
    },
    liveSessions: () =>
      sessions(`SELECT ${sessionColumns} FROM sessions s WHERE status IN ('PENDING', 'ACTIVE')`, []),
    async get(id) {
      return (await sessions(`SELECT ${sessionColumns} FROM sessions s WHERE id = $1`, [id]))[0]
    },
  }
}

function claimFrom(row: ClaimRow): PodClaim {
  return {
    podUid: row.pod_uid,
    purpose: row.purpose,
    sessionId: row.session_id ?? undefined,
    sessionStatus: row.session_status ?? undefined,
    epoch: row.epoch ?? undefined,
    reason: row.reason ?? undefined,
    claimedAt: row.claimed_ms,
  }
}
