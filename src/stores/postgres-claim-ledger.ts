import { type Session, settledWithinMs } from '../domain/session.ts'
import type { ClaimLedger } from '../domain/session-ports.ts'
import type { ClaimPurpose, PodClaim } from '../domain/slot.ts'
import { databaseError, type Postgres } from './postgres-client.ts'
import { lockUsage, projectsOf, usageIsLocked } from './project-usage.ts'
import { activeAtAsTold, type SessionRow, sessionFacts, sessionFrom } from './session-row.ts'

interface ClaimRow {
  pod_uid: string
  purpose: ClaimPurpose
  session_id: string | null
  session_status: string | null
  epoch: number | null
  reason: string | null
  claimed_ms: number
}

// For this pod a session has ended when its record was reopened on another pod, or is not there.
const sessionStatus =
  "CASE WHEN s.pod_uid = c.pod_uid THEN s.status WHEN c.session_id IS NOT NULL THEN 'ENDED' END AS session_status"

const slotClaimsSql = `
  SELECT c.pod_uid, c.purpose, ${sessionStatus}
  FROM pod_claims c LEFT JOIN sessions s ON s.id = c.session_id
  WHERE c.pod_uid = ANY ($1::text[])`

const claimsSql = `
  SELECT c.pod_uid, c.purpose, c.session_id, ${sessionStatus}, c.epoch, c.reason,
    (extract(epoch FROM c.at) * 1000)::float8 AS claimed_ms
  FROM pod_claims c LEFT JOIN sessions s ON s.id = c.session_id
  WHERE c.pod_uid = ANY ($1::text[])`

// Sorted, so that two retirements of the same pods cannot wait for each other. Rows that are there are not locked: a next
// attempt holds the pod that it claims while it retires the one before, and the two would wait in a circle.
const retireSql = `
  INSERT INTO pod_claims (pod_uid, purpose, reason)
  SELECT DISTINCT uid, 'retired', $2 FROM unnest($1::text[]) AS uid ORDER BY uid
  ON CONFLICT (pod_uid) DO NOTHING
  RETURNING pod_uid`

const retiredSql = `SELECT pod_uid FROM pod_claims WHERE pod_uid = ANY ($1::text[]) AND purpose = 'retired'`

// An undone claim has no row any more, but its session's events name the pod. By the index on session_id.
const forgottenSql = `
  SELECT pod_uid FROM unnest($1::text[], $2::uuid[]) AS served (pod_uid, session_id)
  WHERE (SELECT true FROM pod_claims c WHERE c.pod_uid = served.pod_uid) IS NULL
    AND (SELECT true FROM session_events e
      WHERE e.session_id = served.session_id AND e.pod_uid = served.pod_uid LIMIT 1) IS NULL`

/** Session ids are UUIDs. A label with anything else was not written by the controller and says nothing. */
const sessionIdPattern = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** API replicas note themselves every second; two missed notes and a little are a gap. */
export const renewalGapMs = 3_000

// A session that may have been told of is as good as ACTIVE (mayBeTold in domain/session.ts). Its pod has been asked before
// its lease counts.
//
// A lapsed lease proves something only if renewals could be taken. After a gap in which they could not, ACTIVE sessions run
// to the end of the gap plus one full lease. The longest duration of a session is not extended.
const lapseSql = `
  WITH late AS (
    SELECT id FROM sessions, renewal_service
    WHERE status IN ('PENDING', 'ACTIVE') AND lease_expires_at < now() AND (
      status = 'PENDING' AND opener IS NULL OR max_ends_at <= now() OR (
        (status = 'ACTIVE' OR claimed_at < now() - ${settledWithinMs} * interval '1 ms') AND
        alive_at >= now() - ${renewalGapMs} * interval '1 ms' AND gap_ended_at + lease_ms * interval '1 ms' < now()))
    ORDER BY lease_expires_at LIMIT $1 FOR UPDATE OF sessions SKIP LOCKED
  ), s AS (
    UPDATE sessions SET status = 'ENDING', ending_at = now(), ${activeAtAsTold}, end_reason = CASE
      WHEN status = 'PENDING' AND opener IS NULL THEN 'failed:abandoned'
      WHEN max_ends_at <= now() THEN 'lapsed:max-duration'
      ELSE 'lapsed:lease' END
    FROM late WHERE sessions.id = late.id
    RETURNING sessions.*
  )
  SELECT ${sessionFacts} FROM s`

// A session that was never ACTIVE, and of which nobody can have been told, failed: its key may be tried again.
const endOnPodsSql = `
  WITH dead AS (
    SELECT id, dead.reason FROM sessions JOIN unnest($1::text[], $2::text[]) AS dead (pod_uid, reason) USING (pod_uid)
    WHERE status IN ('PENDING', 'ACTIVE')
    ORDER BY id FOR NO KEY UPDATE OF sessions
  ), s AS (
    UPDATE sessions SET status = 'ENDING', ending_at = now(), ${activeAtAsTold},
      end_reason = CASE WHEN status = 'PENDING' AND opener IS NULL THEN 'failed:delivery' ELSE dead.reason END
    FROM dead WHERE sessions.id = dead.id
    RETURNING sessions.*
  )
  SELECT ${sessionFacts} FROM s`

const finishSql = `
  WITH ${lockUsage(projectsOf('$1::uuid[]'))}
  UPDATE sessions SET status = 'ENDED', ended_at = now() WHERE id IN (
    SELECT id FROM sessions WHERE id = ANY ($1::uuid[]) AND status = 'ENDING' AND ${usageIsLocked}
    ORDER BY id FOR NO KEY UPDATE)`

// NOT EXISTS is hashed; `<> ALL` compared each of 20,000 claims with each of 20,000 pods and timed out.
const noteGoneSql = `
  UPDATE pod_claims SET gone_at = now() WHERE pod_uid IN (
    SELECT c.pod_uid FROM pod_claims c
    WHERE c.gone_at IS NULL AND c.at < now() - interval '1 minute'
      AND NOT EXISTS (SELECT FROM unnest($1::text[]) AS present (uid) WHERE present.uid = c.pod_uid)
    FOR NO KEY UPDATE OF c SKIP LOCKED)`

const notePoolPodsGoneSql = `
  UPDATE pool_pods SET gone_at = now() WHERE pod_uid IN (
    SELECT p.pod_uid FROM pool_pods p
    WHERE p.gone_at IS NULL AND p.noted_at < now() - interval '1 minute'
      AND NOT EXISTS (SELECT FROM unnest($1::text[]) AS present (uid) WHERE present.uid = p.pod_uid)
    FOR NO KEY UPDATE OF p SKIP LOCKED)`

const noteBackSql = (table: 'pod_claims' | 'pool_pods') => `
  UPDATE ${table} SET gone_at = NULL WHERE pod_uid IN (
    SELECT pod_uid FROM ${table} WHERE pod_uid = ANY ($1::text[]) AND gone_at IS NOT NULL
    FOR NO KEY UPDATE SKIP LOCKED)`

// A note stays as long as a claim of its pod. A claim stays while a session that is not ENDED names its pod, and until its
// session is copied to `pod_lives`. A session stays while any claim names it: without its record its key would start again
// at epoch 1, which an agent on an unreachable node may still hold. The session's events name the pods that it claimed, so
// each claim is found by its key; a join would read both tables. They are not older than its record, or by a moment if
// PostgreSQL's clock went back: this tells in which partitions they are. Events go with their partition (ADR 50).
const purgeSql = {
  claims: `
    DELETE FROM pod_claims WHERE pod_uid IN (
      SELECT c.pod_uid FROM pod_claims c
      WHERE c.gone_at < now() - $1::float8 * interval '1 ms' AND NOT EXISTS (
        SELECT FROM sessions s WHERE s.pod_uid = c.pod_uid AND s.status IN ('PENDING', 'ACTIVE', 'ENDING'))
        AND NOT EXISTS (SELECT FROM pod_lives l WHERE l.pod_uid = c.pod_uid AND NOT l.settled)
      ORDER BY c.gone_at LIMIT $2 FOR UPDATE SKIP LOCKED)`,
  poolPods: `
    DELETE FROM pool_pods WHERE pod_uid IN (
      SELECT p.pod_uid FROM pool_pods p
      WHERE p.gone_at < now() - $1::float8 * interval '1 ms'
        AND (SELECT true FROM pod_claims c WHERE c.pod_uid = p.pod_uid) IS NULL
      ORDER BY p.gone_at LIMIT $2 FOR UPDATE SKIP LOCKED)`,
  sessions: `
    WITH gone AS (
      DELETE FROM sessions WHERE id IN (
        SELECT s.id FROM sessions s
        WHERE s.status = 'ENDED' AND s.ended_at < now() - $1::float8 * interval '1 ms' AND (
          SELECT true FROM session_events e JOIN pod_claims c ON c.pod_uid = e.pod_uid AND c.session_id = e.session_id
          WHERE e.session_id = s.id AND e.at >= s.created_at - interval '1 minute' LIMIT 1) IS NULL
        ORDER BY s.ended_at LIMIT $2 FOR UPDATE OF s SKIP LOCKED)
      RETURNING id
    )
    SELECT (SELECT count(*)::int FROM gone) AS sessions, forget_session_events(ARRAY(SELECT id FROM gone)) AS events`,
} as const

/** `pod_claims` and `sessions` for the controller: the facts it reconciles Kubernetes with. */
export function createPostgresClaimLedger({ durable }: Postgres): ClaimLedger {
  async function rows<T extends object>(text: string, values: unknown[]): Promise<T[]> {
    try {
      return (await durable.query<T>(text, values)).rows
    } catch (error) {
      throw databaseError(error)
    }
  }
  async function changed(text: string, values: unknown[]): Promise<number> {
    try {
      return (await durable.query(text, values)).rowCount ?? 0
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
    async slotClaims(podUids) {
      const claims = await rows<Pick<ClaimRow, 'pod_uid' | 'purpose' | 'session_status'>>(slotClaimsSql, [
        podUids,
      ])
      return new Map(
        claims.map(({ pod_uid: podUid, purpose, session_status: status }) => [
          podUid,
          { purpose, sessionStatus: status ?? undefined },
        ]),
      )
    },
    async forgotten(served) {
      const named = served.filter(({ sessionId }) => sessionIdPattern.test(sessionId))
      if (named.length === 0) return []
      const values = [named.map(({ podUid }) => podUid), named.map(({ sessionId }) => sessionId)]
      return (await rows<{ pod_uid: string }>(forgottenSql, values)).map((row) => row.pod_uid)
    },
    async retire(podUids, reason) {
      const uidsOf = async (sql: string, values: unknown[]) =>
        (await rows<{ pod_uid: string }>(sql, values)).map((row) => row.pod_uid)
      const retired = await uidsOf(retireSql, [podUids, reason])
      // The others are held by a session or were retired before.
      return retired.length === new Set(podUids).size ? retired : uidsOf(retiredSql, [podUids])
    },
    lapse: (limit) => sessions(lapseSql, [limit]),
    endOnPods: (deaths) =>
      sessions(endOnPodsSql, [deaths.map((death) => death.podUid), deaths.map((death) => death.reason)]),
    ending: (limit) =>
      sessions(`SELECT ${sessionFacts} FROM sessions s WHERE status = 'ENDING' ORDER BY ending_at LIMIT $1`, [
        limit,
      ]),
    async finishEnding(ids) {
      await rows(finishSql, [ids])
    },
    liveSessions: () =>
      sessions(`SELECT ${sessionFacts} FROM sessions s WHERE status IN ('PENDING', 'ACTIVE')`, []),
    async get(id) {
      return (await sessions(`SELECT ${sessionFacts} FROM sessions s WHERE id = $1`, [id]))[0]
    },
    async coldWaiting(agentType) {
      const [row] = await rows<{ waiting: number }>(
        `SELECT count(*)::int AS waiting FROM sessions WHERE agent_type = $1 AND status = 'PENDING' AND pod_uid IS NULL`,
        [agentType],
      )
      return row?.waiting ?? 0
    },
    async noteGone(presentUids) {
      await rows(noteGoneSql, [presentUids])
      await rows(notePoolPodsGoneSql, [presentUids])
      await rows(noteBackSql('pod_claims'), [presentUids])
      await rows(noteBackSql('pool_pods'), [presentUids])
    },
    async purge({ sessionsAfterMs, claimsAfterMs, limit }) {
      // In this order one look removes everything that belongs together.
      const claims = await changed(purgeSql.claims, [claimsAfterMs, limit])
      const poolPods = await changed(purgeSql.poolPods, [claimsAfterMs, limit])
      const values = [sessionsAfterMs, limit]
      const [purged] = await rows<{ sessions: number; events: number }>(purgeSql.sessions, values)
      return { claims, poolPods, sessions: purged?.sessions ?? 0, events: purged?.events ?? 0 }
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
