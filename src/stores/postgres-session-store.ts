import { setTimeout } from 'node:timers/promises'
import type { Pool } from 'pg'
import type {
  CommitOutcome,
  OpenRecord,
  SessionQuery,
  SessionStore,
  TransitionOutcome,
} from '../domain/ports.ts'
import type { EndReason, Session } from '../domain/session.ts'
import {
  answerWithinMs,
  databaseError,
  type Postgres,
  runStatement,
  violatedConstraint,
} from './postgres-client.ts'
import { type SessionRow, sessionColumns, sessionFrom } from './session-row.ts'

// An ON CONFLICT would hide which constraint decided, and the constraint is the answer: so it is left to fail.
const commitOpenSql = `
  WITH claim AS (
    INSERT INTO pod_claims (pod_uid, purpose, session_id, epoch) VALUES ($9, 'session', $1, $8)
  ), s AS (
    INSERT INTO sessions (id, status, agent_type, project_id, room_name, room, participant, metadata, epoch, pod_uid,
      pod_name, pod_ip, warm, lease_ms, lease_expires_at, max_ends_at, fingerprint)
    VALUES ($1, 'PENDING', $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13::integer,
      now() + $13::integer * interval '1 ms', now() + $14::integer * interval '1 ms', $15)
    RETURNING *
  )
  SELECT ${sessionColumns} FROM s`

const reopenSql = `
  WITH s AS (
    UPDATE sessions SET status = 'PENDING', end_reason = NULL, ending_at = NULL, ended_at = NULL, active_at = NULL,
      agent_type = $2, project_id = $3, room_name = $4, room = $5, participant = $6, metadata = $7, epoch = $8,
      pod_uid = $9, pod_name = $10, pod_ip = $11, warm = $12, lease_ms = $13::integer,
      lease_expires_at = now() + $13::integer * interval '1 ms', max_ends_at = now() + $14::integer * interval '1 ms', fingerprint = $15
    WHERE id = $1 AND status = 'ENDED' AND end_reason LIKE 'failed:%' AND epoch < $8
    RETURNING *
  ), claim AS (
    INSERT INTO pod_claims (pod_uid, purpose, session_id, epoch) SELECT pod_uid, 'session', id, epoch FROM s
  )
  SELECT ${sessionColumns} FROM s`

const commitNextAttemptSql = `
  WITH s AS (
    UPDATE sessions SET epoch = $3, pod_uid = $4, pod_name = $5, pod_ip = $6
    WHERE id = $1 AND status = 'PENDING' AND epoch = $2
    RETURNING *
  ), failed AS (
    UPDATE pod_claims SET purpose = 'retired', reason = $8
    WHERE pod_uid = $7 AND session_id = $1 AND EXISTS (SELECT FROM s)
  ), claim AS (
    INSERT INTO pod_claims (pod_uid, purpose, session_id, epoch) SELECT pod_uid, 'session', id, epoch FROM s
  )
  SELECT ${sessionColumns} FROM s`

const activateSql = `
  WITH s AS (
    UPDATE sessions SET status = 'ACTIVE', active_at = now(),
      lease_expires_at = least(now() + lease_ms * interval '1 ms', max_ends_at)
    WHERE id = $1 AND status = 'PENDING' AND epoch = $2
    RETURNING *
  )
  SELECT ${sessionColumns} FROM s`

const failOpenSql = `
  WITH s AS (
    UPDATE sessions SET status = 'ENDED', end_reason = $3, ending_at = now(), ended_at = now()
    WHERE id = $1 AND status = 'PENDING' AND epoch = $2
    RETURNING *
  ), failed AS (
    UPDATE pod_claims SET purpose = 'retired', reason = $4
    WHERE session_id = $1 AND purpose = 'session' AND EXISTS (SELECT FROM s)
  )
  SELECT ${sessionColumns} FROM s`

const renewSql = `
  WITH s AS (
    UPDATE sessions SET
      lease_expires_at = least(greatest(lease_expires_at, now() + lease_ms * interval '1 ms'), max_ends_at)
    WHERE id = $1 AND epoch = $2 AND status IN ('PENDING', 'ACTIVE')
    RETURNING *
  )
  SELECT ${sessionColumns} FROM s`

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
  async function get(id: string, pool = durable): Promise<Session | undefined> {
    return one(pool, 'session-get', `SELECT ${sessionColumns} FROM sessions s WHERE id = $1`, [id])
  }

  /** Runs a statement that claims a pod; what stands in its way is read from the row that is there. */
  async function claim(statement: ClaimStatement): Promise<CommitOutcome> {
    const { name, sql, values, id } = statement
    const begun = performance.now()
    try {
      const session = await one(durable, name, sql, values)
      if (session) return { kind: 'committed', session }
    } catch (error) {
      if (violatedConstraint(error) === undefined) return await afterUnknownOutcome(statement, error, begun)
    }
    const session = await get(id)
    if (session && !statement.isOurTurn(session)) return { kind: 'session-exists', session }
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
    const ours = session?.status === 'PENDING' && session.podUid === statement.podUid
    if (session && ours && session.epoch === statement.epoch) return { kind: 'committed', session }
    throw error
  }

  async function transition(
    id: string,
    epoch: number | undefined,
    session: Session | undefined,
  ): Promise<TransitionOutcome> {
    if (session) return { kind: 'done', session }
    const present = await get(id)
    if (!present) return { kind: 'not-found' }
    if (epoch !== undefined && present.epoch !== epoch) return { kind: 'stale-epoch', session: present }
    return { kind: 'over', session: present }
  }

  return {
    get: (id) => get(id),
    commitOpen: (record) =>
      claim({ ...openStatement(record), name: 'session-open', sql: commitOpenSql, isOurTurn: () => false }),
    reopen: (ended, record) =>
      claim({
        ...openStatement(record),
        name: 'session-reopen',
        sql: reopenSql,
        isOurTurn: (session) => session.status === 'ENDED' && session.epoch === ended.epoch,
      }),
    commitNextAttempt: (pending, { pod, epoch, reason }) =>
      claim({
        id: pending.id,
        podUid: pod.uid,
        epoch,
        name: 'session-next-attempt',
        sql: commitNextAttemptSql,
        values: [pending.id, pending.epoch, epoch, pod.uid, pod.name, pod.ip, pending.podUid, reason],
        isOurTurn: (session) => session.status === 'PENDING' && session.epoch === pending.epoch,
      }),
    activate: (id, epoch) => one(relaxed, 'session-activate', activateSql, [id, epoch]),
    failOpen: (session, reason, podReason) =>
      one(durable, 'session-fail', failOpenSql, [session.id, session.epoch, reason, podReason]),

    async list(query: SessionQuery) {
      const { status, projectId, agentType, before, limit } = query
      // Cursors come from outside: a time beyond PostgreSQL's calendar must not be an error.
      const createdAt = before && Math.min(Math.max(before.createdAt, 0), latestTimeMs)
      const values = [status, projectId, agentType, createdAt, before?.id, limit]
      return many(durable, 'session-list', listSql, values)
    },

    async renew(id, epoch) {
      return transition(id, epoch, await one(relaxed, 'session-renew', renewSql, [id, epoch]))
    },

    async beginEnding(id: string, reason: EndReason, epoch?: number) {
      const ended = await one(durable, 'session-end', beginEndingSql, [id, reason, epoch])
      const outcome = await transition(id, epoch, ended)
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
  readonly name: string
  readonly sql: string
  readonly values: readonly unknown[]
  readonly id: string
  readonly podUid: string
  readonly epoch: number
  /** True when the row is where this very statement expects it, so that only the pod can have been in the way. */
  readonly isOurTurn: (session: Session) => boolean
}

function openStatement(record: OpenRecord): Pick<ClaimStatement, 'id' | 'podUid' | 'epoch' | 'values'> {
  return { id: record.id, podUid: record.pod.uid, epoch: record.epoch, values: openValues(record) }
}

function openValues(record: OpenRecord): unknown[] {
  return [
    record.id,
    record.agentType,
    record.projectId,
    record.roomName,
    record.room,
    record.participant && JSON.stringify(record.participant),
    record.metadata && JSON.stringify(record.metadata),
    record.epoch,
    record.pod.uid,
    record.pod.name,
    record.pod.ip,
    record.warm,
    record.leaseMs,
    record.maxSessionMs,
    record.fingerprint,
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
