import type { Session } from '../domain/session.ts'
import type { ActivatedTimes } from '../domain/session-ports.ts'
import type { OpenSteps } from '../domain/session-timeline.ts'
import { createGroupCommit } from './group-commit.ts'
import {
  failsAll,
  groupAnswerWithinMs,
  groupPatienceMs,
  lockTimeoutMs,
  type Postgres,
  runStatement,
} from './postgres-client.ts'
import { ms, type SessionRow, sessionFacts, sessionFrom } from './session-row.ts'

/**
 * Activations and renewals that arrive together are one statement each. Rows are locked in the order of their ids
 * before any is changed, as by every statement that changes several, so that no two of them wait in a circle.
 *
 * LATERAL finds each row by its key. With a plain join and no statistics yet of a table that has just been filled,
 * PostgreSQL read all live sessions for one activation: 3 ms with 2,000 of them, against 0.3 ms.
 */

const activateSql = `
  WITH wanted AS (
    SELECT locked.id, waited, reserved, committed, delivered, queued
    FROM (
      SELECT * FROM unnest($1::uuid[], $2::integer[], $3::real[], $4::real[], $5::real[], $6::real[], $7::real[])
        AS asked (id, epoch, waited, reserved, committed, delivered, queued)
      ORDER BY id) AS asked
      CROSS JOIN LATERAL (
        SELECT id FROM sessions
        WHERE id = asked.id AND epoch = asked.epoch AND status = 'PENDING' AND pod_uid IS NOT NULL
        FOR NO KEY UPDATE) AS locked
  ), s AS (
    UPDATE sessions SET status = 'ACTIVE', active_at = coalesce(claimed_at, now()), activated_at = now(),
      held_by = NULL, held_until = NULL,
      lease_expires_at = least(now() + lease_ms * interval '1 ms', max_ends_at),
      wait_ms = waited, reserve_ms = reserved, commit_ms = committed, deliver_ms = delivered, activate_ms = queued
    FROM wanted WHERE sessions.id = wanted.id
    RETURNING sessions.id, sessions.epoch, active_at, lease_expires_at
  )
  SELECT id, epoch, ${ms('active_at', 'active_ms')}, ${ms('lease_expires_at', 'lease_expires_ms')} FROM s`

// extendsLease in domain/session.ts says whose renewal counts. Any other renewal is answered with the session and leaves its
// lease as it is: a PENDING session that only its agent renews lapses, or is opened again by its key.
const extendsLeaseSql =
  "(by_caller AND lease_held_by <> 'agent' OR by_agent AND lease_held_by <> 'caller' AND status <> 'PENDING')"

const renewSql = `
  WITH locked AS (
    SELECT found.id, asked.by_agent
    FROM (
      SELECT * FROM unnest($1::uuid[], $2::integer[], $3::boolean[], $4::text[]) AS asked (id, epoch, by_agent, project)
      ORDER BY id) AS asked
      CROSS JOIN LATERAL (
        SELECT id FROM sessions WHERE id = asked.id AND epoch = asked.epoch AND status IN ('PENDING', 'ACTIVE')
          AND (asked.project IS NULL OR project_id = asked.project)
        FOR NO KEY UPDATE) AS found
  ), wanted AS (
    SELECT id, bool_or(NOT by_agent) AS by_caller, bool_or(by_agent) AS by_agent FROM locked GROUP BY id
  ), s AS (
    UPDATE sessions SET
      lease_expires_at = CASE WHEN ${extendsLeaseSql}
        THEN least(greatest(lease_expires_at, now() + lease_ms * interval '1 ms'), max_ends_at)
        ELSE lease_expires_at END,
      renewals = CASE WHEN ${extendsLeaseSql} THEN renewals + 1 ELSE renewals END,
      renewed_at = CASE WHEN ${extendsLeaseSql} THEN now() ELSE renewed_at END
    FROM wanted WHERE sessions.id = wanted.id
    RETURNING sessions.*
  )
  SELECT ${sessionFacts} FROM s`

/** A session whose row has this epoch, as the caller believes. */
interface Activation {
  readonly id: string
  readonly epoch: number
}

/** A session whose pod has acknowledged it. */
interface Acknowledged extends Activation {
  readonly steps: OpenSteps
  /** When it was acknowledged, monotonic ms. */
  readonly since: number
}

interface Renewal extends Activation {
  readonly byAgent: boolean
  /** A session of another project is not there. */
  readonly projectId: string | undefined
}

const mostTransitions = 128
const inFlight = 2
const maxWaitMs = 900

interface TransitionGroupOptions<Input, Row, Output> {
  readonly pool: Postgres['relaxed']
  readonly name: string
  readonly sql: string
  readonly columns: (inputs: readonly Input[]) => unknown[][]
  /** undefined: this input did not mean the row. */
  readonly output: (row: Row, input: Input) => Output | undefined
}

/** Resolves with the changed session; undefined when it was not in the expected state or epoch. */
function createTransitionGroup<Input extends Activation, Row extends Activation, Output>(
  options: TransitionGroupOptions<Input, Row, Output>,
) {
  const { pool, name, sql, columns, output } = options
  async function run(inputs: readonly Input[]): Promise<readonly (Output | undefined)[]> {
    const rows = await runStatement<Row>(pool, { name, text: sql, values: columns(inputs) })
    const changed = new Map(rows.map((row) => [row.id, row]))
    return inputs.map((input) => {
      const row = changed.get(input.id)
      // Two callers in one group may name different epochs of a session; only one of them is right.
      return row?.epoch === input.epoch ? output(row, input) : undefined
    })
  }

  return createGroupCommit({
    run,
    failsAll,
    maxSize: mostTransitions,
    maxInFlight: inFlight,
    patienceMs: groupPatienceMs,
    maxWaitMs,
    answerWithinMs: groupAnswerWithinMs,
    leastLeftMs: lockTimeoutMs,
  })
}

interface ActivatedRow extends Activation {
  readonly active_ms: number
  readonly lease_expires_ms: number
}

/** Durable, so that what most callers are told before it is flushed need not be asked of the pods again (ADR 45). */
export function createActivateGroup({ durable }: Pick<Postgres, 'durable'>) {
  return createTransitionGroup<Acknowledged, ActivatedRow, ActivatedTimes>({
    pool: durable,
    name: 'sessions-activate',
    sql: activateSql,
    columns: (inputs) => [
      inputs.map(({ id }) => id),
      inputs.map(({ epoch }) => epoch),
      ...(['wait', 'reserve', 'commit', 'deliver'] as const).map((step) =>
        inputs.map(({ steps }) => steps[step]),
      ),
      inputs.map(({ since }) => performance.now() - since),
    ],
    output: (row) => ({ activeAt: row.active_ms, leaseExpiresAt: row.lease_expires_ms }),
  })
}

/** Not flushed: a renewal that is lost in a crash of PostgreSQL comes again. */
export function createRenewGroup({ relaxed }: Pick<Postgres, 'relaxed'>) {
  return createTransitionGroup<Renewal, SessionRow, Session>({
    pool: relaxed,
    name: 'sessions-renew',
    sql: renewSql,
    columns: (inputs) => [
      inputs.map(({ id }) => id),
      inputs.map(({ epoch }) => epoch),
      inputs.map(({ byAgent }) => byAgent),
      inputs.map(({ projectId }) => projectId),
    ],
    // Two callers of different projects may be in one group.
    output: (row, { projectId }) =>
      projectId === undefined || row.project_id === projectId ? sessionFrom(row) : undefined,
  })
}
