import { isRetryableFailure, type Session } from '../domain/session.ts'
import type { ColdRecord, CommitOutcome, OpenRecord, SessionStore } from '../domain/session-ports.ts'
import { pause } from '../timing/pause.ts'
import { NotSentError } from './group-commit.ts'
import {
  answerWithinMs,
  databaseError,
  leastLookMs,
  type Postgres,
  runStatement,
  violatedConstraint,
} from './postgres-client.ts'
import { createOpenGroup, type OpenedSession } from './postgres-open-group.ts'
import { createOpenTogether } from './postgres-open-together.ts'
import { isPoolPod } from './postgres-pool-pods.ts'
import { lockUsage, projectsOf, usageConstraint, usageIsLocked } from './project-usage.ts'
import { manySessions, oneSession, readSession } from './session-query.ts'
import { sessionColumns } from './session-row.ts'

// In the order of a group of opens: first the pod's claim, then the session that names the pod, because a second writer
// waits for sessions_live_pod as for a lock. The session's own row is locked before both; no group ever waits for it.
const reopenSql = `
  WITH ${lockUsage('ARRAY[$3::text]')}, ended AS (
    SELECT id FROM sessions
    WHERE id = $1 AND status = 'ENDED' AND end_reason LIKE 'failed:%' AND active_at IS NULL AND epoch < $8
      AND ${usageIsLocked}
    FOR NO KEY UPDATE
  ), claim AS (
    INSERT INTO pod_claims (pod_uid, purpose, session_id, epoch) SELECT $9, 'session', id, $8 FROM ended
    WHERE ${isPoolPod('$9', '$2')}
    RETURNING pod_uid
  ), s AS (
    UPDATE sessions SET status = 'PENDING', end_reason = NULL, ending_at = NULL, ended_at = NULL, active_at = NULL,
      agent_type = $2, project_id = $3, room_name = $4, room = $5, participant = $6, metadata = $7, epoch = $8,
      pod_uid = $9, pod_name = $10, pod_ip = $11, warm = $12, lease_ms = $13::integer,
      lease_expires_at = now() + $13::integer * interval '1 ms',
      max_ends_at = now() + $14::integer * interval '1 ms', fingerprint = $15, lease_held_by = $16, traceparent = $17,
      held_by = NULL, held_until = NULL, adoptable = false, renewals = 0, renewed_at = NULL, opener = $18,
      claimed_at = now()
    WHERE id = $1 AND EXISTS (SELECT FROM claim)
    RETURNING *
  )
  SELECT ${sessionColumns} FROM s`

/** How long a replica may be silent before another takes over its cold opens; it notes itself every second. */
export const heldMs = 5_000

// The count protects the pool and is not exact: opens at the same moment may pass it together.
const openColdSql = `
  WITH ${lockUsage('ARRAY[$3::text]')}, s AS (
    INSERT INTO sessions (id, status, agent_type, project_id, room_name, room, participant, metadata, epoch, warm,
      lease_ms, lease_expires_at, max_ends_at, fingerprint, lease_held_by, held_by, held_until, adoptable, traceparent)
    SELECT $1, 'PENDING', $2, $3, $4, $5, $6, $7, $8, false, $9::integer, now() + $10::integer * interval '1 ms',
      now() + $11::integer * interval '1 ms', $12, $13, $14, now() + ${heldMs} * interval '1 ms', $15, $17
    WHERE (SELECT count(*) FROM sessions WHERE agent_type = $2 AND status = 'PENDING' AND pod_uid IS NULL) < $16
      AND ${usageIsLocked}
    ON CONFLICT (id) DO UPDATE SET status = 'PENDING', end_reason = NULL, ending_at = NULL, ended_at = NULL,
      active_at = NULL, agent_type = excluded.agent_type, project_id = excluded.project_id,
      room_name = excluded.room_name, room = excluded.room, participant = excluded.participant,
      metadata = excluded.metadata, epoch = excluded.epoch, pod_uid = NULL, pod_name = NULL, pod_ip = NULL,
      warm = false, lease_ms = excluded.lease_ms, lease_expires_at = excluded.lease_expires_at,
      max_ends_at = excluded.max_ends_at, fingerprint = excluded.fingerprint, lease_held_by = excluded.lease_held_by,
      held_by = excluded.held_by, held_until = excluded.held_until, adoptable = excluded.adoptable,
      traceparent = excluded.traceparent, renewals = 0, renewed_at = NULL, opener = NULL, claimed_at = NULL
    WHERE sessions.status = 'ENDED' AND sessions.end_reason LIKE 'failed:%'
      AND sessions.active_at IS NULL AND sessions.epoch < excluded.epoch
    RETURNING *
  )
  SELECT ${sessionColumns} FROM s`

const adoptSql = `
  WITH orphan AS (
    SELECT id FROM sessions
    WHERE status = 'PENDING' AND held_by IS NOT NULL AND held_until < now() AND ($2::uuid IS NULL OR id = $2)
    ORDER BY held_until LIMIT $3 FOR UPDATE SKIP LOCKED
  ), s AS (
    UPDATE sessions SET held_by = $1, held_until = now() + ${heldMs} * interval '1 ms'
    FROM orphan WHERE sessions.id = orphan.id
    RETURNING sessions.*
  )
  SELECT ${sessionColumns} FROM s`

/**
 * Of a session that may have been told, only the open that knows whether it told it may go to the next pod or give up.
 * Sweeps that have the word of the pod name that open as well.
 */
const isOpenedBy = (parameter: string) => `(opener IS NULL OR opener = ${parameter})`

// The new pod first and the failed one last, when nothing is left to wait for: a group of opens may hold the new one while
// the failed one is among its candidates. For the rest see reopenSql.
const commitNextAttemptSql = `
  WITH pending AS (
    SELECT id, agent_type FROM sessions
    WHERE id = $1 AND status = 'PENDING' AND epoch = $2 AND ${isOpenedBy('$9::uuid')} FOR NO KEY UPDATE
  ), claim AS (
    INSERT INTO pod_claims (pod_uid, purpose, session_id, epoch) SELECT $4, 'session', id, $3 FROM pending
    WHERE ${isPoolPod('$4', 'pending.agent_type')}
    RETURNING pod_uid
  ), s AS (
    UPDATE sessions SET epoch = $3, pod_uid = $4, pod_name = $5, pod_ip = $6, opener = $10, claimed_at = now()
    WHERE id = $1 AND EXISTS (SELECT FROM claim)
    RETURNING *
  ), failed AS (
    UPDATE pod_claims SET purpose = 'retired', reason = $8
    WHERE pod_uid = $7 AND session_id = $1 AND EXISTS (SELECT FROM s)
  )
  SELECT ${sessionColumns} FROM s`

const failOpenSql = `
  WITH ${lockUsage(projectsOf('ARRAY[$1::uuid]'))}, s AS (
    UPDATE sessions SET status = 'ENDED', end_reason = $3, ending_at = now(), ended_at = now()
    WHERE id = $1 AND status = 'PENDING' AND epoch = $2 AND ${isOpenedBy('$5::uuid')} AND ${usageIsLocked}
    RETURNING *
  ), failed AS (
    UPDATE pod_claims SET purpose = 'retired', reason = $4
    WHERE pod_uid = (SELECT pod_uid FROM s) AND session_id = $1 AND purpose = 'session'
  )
  SELECT ${sessionColumns} FROM s`

// The one way to undo a claim (ADR 0012): nothing of it was ever sent to the pod. The record no longer names the pod,
// because another session may.
const releaseOpenSql = `
  WITH ${lockUsage(projectsOf('ARRAY[$1::uuid]'))}, s AS (
    UPDATE sessions SET status = 'ENDED', end_reason = $3, ending_at = now(), ended_at = now(), pod_uid = NULL,
      pod_name = NULL, pod_ip = NULL
    WHERE id = $1 AND status = 'PENDING' AND epoch = $2 AND ${isOpenedBy('$5::uuid')} AND ${usageIsLocked}
    RETURNING *
  ), freed AS (
    DELETE FROM pod_claims
    WHERE pod_uid = $4 AND session_id = $1 AND purpose = 'session' AND EXISTS (SELECT FROM s)
  )
  SELECT ${sessionColumns} FROM s`

// In the order of ids, like every statement that changes several sessions.
const releaseHeldSql = `
  UPDATE sessions SET held_until = now() WHERE id IN (
    SELECT id FROM sessions WHERE held_by = $1 AND status = 'PENDING' ORDER BY id FOR NO KEY UPDATE)`

const notedSql = `SELECT ${isPoolPod('$1', '$2')} AS noted`

type SessionClaims = Pick<
  SessionStore,
  | 'commitOpen'
  | 'commitTogether'
  | 'reopen'
  | 'commitNextAttempt'
  | 'openCold'
  | 'adopt'
  | 'releaseHeld'
  | 'failOpen'
>

/** The statements that claim a pod for a session, write one that waits for a pod, or give up. */
export function createPostgresSessionClaims({
  durable,
  fresh,
}: Pick<Postgres, 'durable' | 'fresh'>): SessionClaims {
  const openGroup = createOpenGroup({ durable })

  /** Runs a statement that claims a pod. When it does not, the row that is there tells why. */
  async function claim(statement: ClaimStatement): Promise<CommitOutcome> {
    const begun = performance.now()
    let session: OpenedSession
    try {
      session = await statement.run()
    } catch (error) {
      if (error instanceof NotSentError) throw error
      const constraint = violatedConstraint(error)
      if (constraint === undefined) return await afterUnknownOutcome(statement, error, begun)
      if (constraint === usageConstraint) return { kind: 'project-full' }
    }
    if (session === 'project-full') return { kind: session }
    if (session) return { kind: 'committed', session }
    const present = await readSession(durable, statement.id)
    if (present && !statement.isOurTurn(present)) return { kind: 'session-exists', session: present }
    return { kind: (await isNoted(statement)) ? 'pod-taken' : 'pod-not-noted' }
  }

  /** Asked only when a pod could not be claimed. A cold open names no pod. */
  async function isNoted({ podUid, agentType }: ClaimStatement): Promise<boolean> {
    if (podUid === undefined) return true
    try {
      const values = [podUid, agentType]
      const [row] = await runStatement<{ noted: boolean }>(durable, {
        name: 'pod-noted',
        text: notedSql,
        values,
      })
      return row?.noted ?? false
    } catch (error) {
      throw databaseError(error)
    }
  }

  /** The statement may have run although its answer was lost. If the row can be read in time, it tells. */
  async function afterUnknownOutcome(
    statement: ClaimStatement,
    error: unknown,
    begun: number,
  ): Promise<CommitOutcome> {
    const leftMs = Math.max(leastLookMs, begun + answerWithinMs - performance.now())
    const answered = new AbortController()
    const session = await Promise.race([
      readSession(fresh, statement.id).catch(() => undefined),
      pause(leftMs, answered.signal).then(() => undefined),
    ])
    answered.abort()
    const ours = session?.status === 'PENDING' && session.pod?.uid === statement.podUid
    // Two requests of one key may want the same pod in the same epoch; only one of them claimed it.
    if (session && ours && session.epoch === statement.epoch && session.opener === statement.opener)
      return { kind: 'committed', session }
    throw databaseError(error)
  }

  return {
    commitOpen: (record) =>
      claim({ ...claimOf(record), run: () => openGroup(record), isOurTurn: () => false }),
    commitTogether: createOpenTogether({ durable, fresh }),
    reopen: (ended, record) =>
      claim({
        ...claimOf(record),
        // A record that was purged meanwhile leaves its key free: it is opened like a new one.
        run: async () =>
          (await oneSession({
            pool: durable,
            name: 'session-reopen',
            text: reopenSql,
            values: openValues(record),
          })) ?? openGroup(record),
        isOurTurn: (session) => session.status === 'ENDED' && session.epoch === ended.epoch,
      }),
    commitNextAttempt: (pending, { pod, epoch, reason, opener }) => {
      const attempt = [pending.id, pending.epoch, epoch, pod.uid, pod.name, pod.ip, pending.pod?.uid, reason]
      const values = [...attempt, pending.opener, opener]
      return claim({
        id: pending.id,
        podUid: pod.uid,
        agentType: pending.agentType,
        epoch,
        opener,
        run: () =>
          oneSession({ pool: durable, name: 'session-next-attempt', text: commitNextAttemptSql, values }),
        isOurTurn: (session) => session.status === 'PENDING' && session.epoch === pending.epoch,
      })
    },
    async openCold(record) {
      const outcome = await claim({
        id: record.id,
        podUid: undefined,
        agentType: record.agentType,
        epoch: record.epoch,
        opener: undefined,
        run: () =>
          oneSession({
            pool: durable,
            name: 'session-open-cold',
            text: openColdSql,
            values: coldValues(record),
          }),
        isOurTurn: (session) =>
          session.status === 'ENDED' && isRetryableFailure(session) && session.epoch < record.epoch,
      })
      return 'session' in outcome || outcome.kind === 'project-full' ? outcome : { kind: 'full' }
    },
    adopt: (by, { id, limit }) =>
      manySessions({ pool: durable, name: 'sessions-adopt', text: adoptSql, values: [by, id, limit] }),
    async releaseHeld(by) {
      await manySessions({ pool: durable, name: 'sessions-release', text: releaseHeldSql, values: [by] })
    },
    failOpen: ({ id, epoch, pod, opener }, reason, fate) =>
      fate.kind === 'retire'
        ? oneSession({
            pool: durable,
            name: 'session-fail',
            text: failOpenSql,
            values: [id, epoch, reason, fate.reason, opener],
          })
        : oneSession({
            pool: durable,
            name: 'session-release',
            text: releaseOpenSql,
            values: [id, epoch, reason, pod?.uid, opener],
          }),
  }
}

interface ClaimStatement {
  readonly id: string
  readonly podUid: string | undefined
  readonly agentType: string
  readonly epoch: number
  readonly opener: string | undefined
  /** Resolves with undefined, or rejects with a violated constraint, when a row prevents it. */
  readonly run: () => Promise<OpenedSession>
  /** True when the session's row is as this statement expects it, so that only the pod can have prevented it. */
  readonly isOurTurn: (session: Session) => boolean
}

function claimOf(record: OpenRecord): Omit<ClaimStatement, 'run' | 'isOurTurn'> {
  const { id, agentType, epoch, opener } = record
  return { id, podUid: record.pod.uid, agentType, epoch, opener }
}

function coldValues(record: ColdRecord): unknown[] {
  const { leaseMs, pendingMs, maxSessionMs, fingerprint, leaseHeldBy, heldByReplica, adoptable } = record
  const times = [leaseMs, pendingMs, maxSessionMs]
  const holders = [leaseHeldBy, heldByReplica]
  const rest = [fingerprint, ...holders, adoptable, record.mostWaiting, record.traceparent]
  return [...commonValues(record), ...times, ...rest]
}

function openValues(record: OpenRecord): unknown[] {
  const { pod, warm, leaseMs, maxSessionMs, fingerprint, leaseHeldBy } = record
  const its = [pod.uid, pod.name, pod.ip, warm, leaseMs, maxSessionMs, fingerprint, leaseHeldBy]
  return [...commonValues(record), ...its, record.traceparent, record.opener]
}

/** $1 to $8 of both statements. */
function commonValues(record: Omit<OpenRecord, 'pod' | 'warm' | 'opener'>): unknown[] {
  return [
    record.id,
    record.agentType,
    record.projectId,
    record.roomName,
    record.room,
    record.participant && JSON.stringify(record.participant),
    record.metadata && JSON.stringify(record.metadata),
    record.epoch,
  ]
}
