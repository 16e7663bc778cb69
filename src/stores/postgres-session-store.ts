import { setTimeout } from 'node:timers/promises'
import type { Pool } from 'pg'
import type {
  ColdRecord,
  CommitOutcome,
  OpenRecord,
  SessionQuery,
  SessionStore,
  TransitionOutcome,
} from '../domain/ports.ts'
import { type EndReason, isRetryableFailure, type Session } from '../domain/session.ts'
import { NotSentError } from './group-commit.ts'
import {
  answerWithinMs,
  databaseError,
  type Postgres,
  runStatement,
  violatedConstraint,
} from './postgres-client.ts'
import { createOpenGroup } from './postgres-open-group.ts'
import { createActivateGroup, createRenewGroup } from './postgres-transition-group.ts'
import { type SessionRow, sessionColumns, sessionFrom } from './session-row.ts'

// As a group of opens does it: the pod's claim first, and only then the session that names the pod, for sessions_live_pod
// is waited for like a lock. The row of the session itself is locked before, which no group ever waits for.
const reopenSql = `
  WITH ended AS (
    SELECT id FROM sessions
    WHERE id = $1 AND status = 'ENDED' AND end_reason LIKE 'failed:%' AND epoch < $8
    FOR NO KEY UPDATE
  ), claim AS (
    INSERT INTO pod_claims (pod_uid, purpose, session_id, epoch) SELECT $9, 'session', id, $8 FROM ended
    RETURNING pod_uid
  ), s AS (
    UPDATE sessions SET status = 'PENDING', end_reason = NULL, ending_at = NULL, ended_at = NULL, active_at = NULL,
      agent_type = $2, project_id = $3, room_name = $4, room = $5, participant = $6, metadata = $7, epoch = $8,
      pod_uid = $9, pod_name = $10, pod_ip = $11, warm = $12, lease_ms = $13::integer,
      lease_expires_at = now() + $13::integer * interval '1 ms',
      max_ends_at = now() + $14::integer * interval '1 ms', fingerprint = $15, held_by = NULL, held_until = NULL,
      adoptable = false
    WHERE id = $1 AND EXISTS (SELECT FROM claim)
    RETURNING *
  )
  SELECT ${sessionColumns} FROM s`

/** How long a replica may be silent before another sees to its cold opens; it notes itself every second. */
export const heldMs = 5_000

// The count is a bound for the pool's sake, not a promise: opens at the same moment may pass it together.
const openColdSql = `
  WITH s AS (
    INSERT INTO sessions (id, status, agent_type, project_id, room_name, room, participant, metadata, epoch, warm,
      lease_ms, lease_expires_at, max_ends_at, fingerprint, held_by, held_until, adoptable)
    SELECT $1, 'PENDING', $2, $3, $4, $5, $6, $7, $8, false, $9::integer, now() + $10::integer * interval '1 ms',
      now() + $11::integer * interval '1 ms', $12, $13, now() + ${heldMs} * interval '1 ms', $14
    WHERE (SELECT count(*) FROM sessions WHERE agent_type = $2 AND status = 'PENDING' AND pod_uid IS NULL) < $15
    ON CONFLICT (id) DO UPDATE SET status = 'PENDING', end_reason = NULL, ending_at = NULL, ended_at = NULL,
      active_at = NULL, agent_type = excluded.agent_type, project_id = excluded.project_id,
      room_name = excluded.room_name, room = excluded.room, participant = excluded.participant,
      metadata = excluded.metadata, epoch = excluded.epoch, pod_uid = NULL, pod_name = NULL, pod_ip = NULL,
      warm = false, lease_ms = excluded.lease_ms, lease_expires_at = excluded.lease_expires_at,
      max_ends_at = excluded.max_ends_at, fingerprint = excluded.fingerprint, held_by = excluded.held_by,
      held_until = excluded.held_until, adoptable = excluded.adoptable
    WHERE sessions.status = 'ENDED' AND sessions.end_reason LIKE 'failed:%' AND sessions.epoch < excluded.epoch
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

// The new pod first, and the failed one last, when nothing is left to wait for: a group of opens may hold the new one
// while it meets the failed one among its candidates. For the rest see reopenSql.
const commitNextAttemptSql = `
  WITH pending AS (
    SELECT id FROM sessions WHERE id = $1 AND status = 'PENDING' AND epoch = $2 FOR NO KEY UPDATE
  ), claim AS (
    INSERT INTO pod_claims (pod_uid, purpose, session_id, epoch) SELECT $4, 'session', id, $3 FROM pending
    RETURNING pod_uid
  ), s AS (
    UPDATE sessions SET epoch = $3, pod_uid = $4, pod_name = $5, pod_ip = $6
    WHERE id = $1 AND EXISTS (SELECT FROM claim)
    RETURNING *
  ), failed AS (
    UPDATE pod_claims SET purpose = 'retired', reason = $8
    WHERE pod_uid = $7 AND session_id = $1 AND EXISTS (SELECT FROM s)
  )
  SELECT ${sessionColumns} FROM s`

const failOpenSql = `
  WITH s AS (
    UPDATE sessions SET status = 'ENDED', end_reason = $3, ending_at = now(), ended_at = now()
    WHERE id = $1 AND status = 'PENDING' AND epoch = $2
    RETURNING *
  ), failed AS (
    UPDATE pod_claims SET purpose = 'retired', reason = $4
    WHERE pod_uid = (SELECT pod_uid FROM s) AND session_id = $1 AND purpose = 'session'
  )
  SELECT ${sessionColumns} FROM s`

// The one way back of a claim (ADR 0012): nothing of it was ever sent to the pod. The record names it no more, for
// another session may.
const releaseOpenSql = `
  WITH s AS (
    UPDATE sessions SET status = 'ENDED', end_reason = $3, ending_at = now(), ended_at = now(), pod_uid = NULL,
      pod_name = NULL, pod_ip = NULL
    WHERE id = $1 AND status = 'PENDING' AND epoch = $2
    RETURNING *
  ), freed AS (
    DELETE FROM pod_claims
    WHERE pod_uid = $4 AND session_id = $1 AND purpose = 'session' AND EXISTS (SELECT FROM s)
  )
  SELECT ${sessionColumns} FROM s`

// In the order of ids, as every statement that changes several sessions.
const releaseHeldSql = `
  UPDATE sessions SET held_until = now() WHERE id IN (
    SELECT id FROM sessions WHERE held_by = $1 AND status = 'PENDING' ORDER BY id FOR NO KEY UPDATE)`

const beginEndingSql = `
  WITH s AS (
    UPDATE sessions SET status = 'ENDING', end_reason = $2, ending_at = now()
    WHERE id = $1 AND status IN ('PENDING', 'ACTIVE') AND ($3::integer IS NULL OR epoch = $3)
    RETURNING *
  )
  SELECT ${sessionColumns} FROM s`

const listSql = `
  SELECT ${sessionColumns} FROM sessions s
  WHERE ($1::text IS NULL OR status = $1) AND ($2::text IS NULL OR project_id = $2)
    AND ($3::text IS NULL OR agent_type = $3)
    AND ($4::float8 IS NULL OR (created_at, id) < (to_timestamp($4::float8 / 1000), $5::uuid))
  ORDER BY created_at DESC, id DESC
  LIMIT $6`

/** The last thousand sessions of a type, or fewer: enough to tell 99.9 %, small enough for an index scan. */
const historySql = `
  SELECT count(*)::int AS opened, (count(*) FILTER (WHERE warm))::int AS warm
  FROM (SELECT warm FROM sessions WHERE agent_type = $1 ORDER BY created_at DESC, id DESC LIMIT 1000) newest`

/** A look at one row by its primary key needs no more. */
const leastLookMs = 100
/** The last millisecond of a JavaScript Date, in the year 275760; PostgreSQL's calendar goes a little further. */
const latestTimeMs = 8.64e15

interface History {
  opened: number
  warm: number
}

/** `sessions` and `pod_claims` for the use cases. One statement each: no network call, no transaction left open. */
export function createPostgresSessionStore({ durable, relaxed, fresh }: Postgres): SessionStore {
  const openGroup = createOpenGroup({ durable })
  const activateGroup = createActivateGroup({ durable })
  const renewGroup = createRenewGroup({ relaxed })

  async function get(id: string, pool = durable): Promise<Session | undefined> {
    return one(pool, 'session-get', `SELECT ${sessionColumns} FROM sessions s WHERE id = $1`, [id])
  }

  /** Runs a statement that claims a pod; what stands in its way is read from the row that is there. */
  async function claim(statement: ClaimStatement): Promise<CommitOutcome> {
    const begun = performance.now()
    let session: Session | undefined
    try {
      session = await statement.run()
    } catch (error) {
      if (error instanceof NotSentError) throw error
      if (violatedConstraint(error) === undefined) return await afterUnknownOutcome(statement, error, begun)
    }
    if (session) return { kind: 'committed', session }
    const present = await get(statement.id)
    if (present && !statement.isOurTurn(present)) return { kind: 'session-exists', session: present }
    return { kind: 'pod-taken' }
  }

  /** The statement may have run although we never heard: whoever finds the row in time knows. */
  async function afterUnknownOutcome(
    statement: ClaimStatement,
    error: unknown,
    begun: number,
  ): Promise<CommitOutcome> {
    const leftMs = Math.max(leastLookMs, begun + answerWithinMs - performance.now())
    const late = new AbortController()
    const session = await Promise.race([
      get(statement.id, fresh).catch(() => undefined),
      setTimeout(leftMs, undefined, { signal: late.signal }),
    ])
    late.abort()
    const ours = session?.status === 'PENDING' && session.pod?.uid === statement.podUid
    if (session && ours && session.epoch === statement.epoch) return { kind: 'committed', session }
    throw databaseError(error)
  }

  async function transition(
    id: string,
    epoch: number | undefined,
    change: () => Promise<Session | undefined>,
  ): Promise<TransitionOutcome> {
    const session = await change()
    if (session) return { kind: 'done', session }
    const present = await get(id)
    if (!present) return { kind: 'not-found' }
    if (epoch !== undefined && present.epoch !== epoch) return { kind: 'stale-epoch', session: present }
    // It was over when it was to be changed, and has started again since.
    const again = present.status === 'PENDING' || present.status === 'ACTIVE' ? await change() : undefined
    return again ? { kind: 'done', session: again } : { kind: 'over', session: present }
  }

  /** An answer of a group; what it throws is mapped here, for the open group's callers branch on it. */
  async function grouped<T>(answer: Promise<T>): Promise<T> {
    try {
      return await answer
    } catch (error) {
      throw databaseError(error)
    }
  }

  return {
    get: (id) => get(id),
    commitOpen: (record) =>
      claim({ ...claimOf(record), run: () => openGroup(record), isOurTurn: () => false }),
    reopen: (ended, record) =>
      claim({
        ...claimOf(record),
        // A record that was purged meanwhile leaves the key as free as one that never was.
        run: async () =>
          (await one(durable, 'session-reopen', reopenSql, openValues(record))) ?? openGroup(record),
        isOurTurn: (session) => session.status === 'ENDED' && session.epoch === ended.epoch,
      }),
    commitNextAttempt: (pending, { pod, epoch, reason }) => {
      const values = [pending.id, pending.epoch, epoch, pod.uid, pod.name, pod.ip, pending.pod?.uid, reason]
      return claim({
        id: pending.id,
        podUid: pod.uid,
        epoch,
        run: () => one(durable, 'session-next-attempt', commitNextAttemptSql, values),
        isOurTurn: (session) => session.status === 'PENDING' && session.epoch === pending.epoch,
      })
    },
    async openCold(record) {
      const outcome = await claim({
        id: record.id,
        podUid: undefined,
        epoch: record.epoch,
        run: () => one(durable, 'session-open-cold', openColdSql, coldValues(record)),
        isOurTurn: ({ status, endReason, epoch }) =>
          status === 'ENDED' && isRetryableFailure(endReason) && epoch < record.epoch,
      })
      return outcome.kind === 'pod-taken' ? { kind: 'full' } : outcome
    },
    adopt: (by, { id, limit }) => many(durable, 'sessions-adopt', adoptSql, [by, id, limit]),
    async releaseHeld(by) {
      await many(durable, 'sessions-release', releaseHeldSql, [by])
    },
    activate: (id, epoch) => grouped(activateGroup({ id, epoch })),
    failOpen: ({ id, epoch, pod }, reason, fate) =>
      fate.kind === 'retire'
        ? one(durable, 'session-fail', failOpenSql, [id, epoch, reason, fate.reason])
        : one(durable, 'session-release', releaseOpenSql, [id, epoch, reason, pod?.uid]),

    async list(query: SessionQuery) {
      const { status, projectId, agentType, before, limit } = query
      // Cursors come from outside: a time beyond PostgreSQL's calendar must not be an error.
      const createdAt = before && Math.min(Math.max(before.createdAt, 0), latestTimeMs)
      const values = [status, projectId, agentType, createdAt, before?.id, limit]
      return many(durable, 'session-list', listSql, values)
    },

    async renew(id, epoch, byAgent = false) {
      return transition(id, epoch, () => grouped(renewGroup({ id, epoch, byAgent })))
    },

    async beginEnding(id: string, reason: EndReason, epoch?: number) {
      const values = [id, reason, epoch]
      const outcome = await transition(id, epoch, () => one(durable, 'session-end', beginEndingSql, values))
      return outcome.kind === 'over' ? { kind: 'done', session: outcome.session } : outcome
    },

    async poolHistory(agentType) {
      try {
        const values = [agentType]
        const [history] = await runStatement<History>(durable, {
          name: 'pool-history',
          text: historySql,
          values,
        })
        return history ?? { opened: 0, warm: 0 }
      } catch (error) {
        throw databaseError(error)
      }
    },
  }
}

interface ClaimStatement {
  readonly id: string
  readonly podUid: string | undefined
  readonly epoch: number
  /** Resolves with undefined, or rejects with a violated constraint, when something stands in its way. */
  readonly run: () => Promise<Session | undefined>
  /** True when the row is where this very statement expects it, so that only the pod can have been in the way. */
  readonly isOurTurn: (session: Session) => boolean
}

function claimOf(record: OpenRecord): Pick<ClaimStatement, 'id' | 'podUid' | 'epoch'> {
  return { id: record.id, podUid: record.pod.uid, epoch: record.epoch }
}

function coldValues(record: ColdRecord): unknown[] {
  const { leaseMs, pendingMs, maxSessionMs, fingerprint, heldBy, adoptable, mostWaiting } = record
  const times = [leaseMs, pendingMs, maxSessionMs]
  return [...commonValues(record), ...times, fingerprint, heldBy, adoptable, mostWaiting]
}

function openValues(record: OpenRecord): unknown[] {
  const { pod, warm, leaseMs, maxSessionMs, fingerprint } = record
  return [...commonValues(record), pod.uid, pod.name, pod.ip, warm, leaseMs, maxSessionMs, fingerprint]
}

/** $1 to $8 of both. */
function commonValues(record: Omit<OpenRecord, 'pod' | 'warm'>): unknown[] {
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

async function many(pool: Pool, name: string, text: string, values: readonly unknown[]): Promise<Session[]> {
  try {
    return (await runStatement<SessionRow>(pool, { name, text, values: [...values] })).map(sessionFrom)
  } catch (error) {
    // The caller branches on constraints; everything else is mapped here.
    throw violatedConstraint(error) === undefined ? databaseError(error) : error
  }
}

async function one(
  pool: Pool,
  name: string,
  text: string,
  values: readonly unknown[],
): Promise<Session | undefined> {
  return (await many(pool, name, text, values))[0]
}
