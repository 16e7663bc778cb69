import type { Session } from '../domain/session.ts'
import { createGroupCommit, type GroupResult, runEachAlone } from './group-commit.ts'
import {
  groupAnswerWithinMs,
  isLockTimeout,
  isUnavailable,
  lockTimeoutMs,
  type Postgres,
  runStatement,
} from './postgres-client.ts'
import { type SessionRow, sessionColumns, sessionFrom } from './session-row.ts'

/**
 * Activations and renewals that arrive together are one statement each. Rows are locked in the order of their ids
 * before any is changed, as by every statement that changes several, so that no two of them wait in a circle.
 */

const activateSql = `
  WITH wanted AS (
    SELECT sessions.id FROM sessions JOIN unnest($1::uuid[], $2::integer[]) AS w (id, epoch) USING (id)
    WHERE status = 'PENDING' AND sessions.epoch = w.epoch AND pod_uid IS NOT NULL
    ORDER BY id FOR NO KEY UPDATE OF sessions
  ), s AS (
    UPDATE sessions SET status = 'ACTIVE', active_at = now(), held_by = NULL, held_until = NULL,
      lease_expires_at = least(now() + lease_ms * interval '1 ms', max_ends_at)
    FROM wanted WHERE sessions.id = wanted.id
    RETURNING sessions.*
  )
  SELECT ${sessionColumns} FROM s`

// A session that is still PENDING is not kept by its agent: the replica that should have made it ACTIVE was lost and
// nobody heard of it, and an agent would renew for ever what no caller knows of. It lapses, or is opened again by its key.
const renewSql = `
  WITH wanted AS (
    SELECT sessions.id, w.by_agent FROM sessions JOIN (
      SELECT id, epoch, bool_and(by_agent) AS by_agent
      FROM unnest($1::uuid[], $2::integer[], $3::boolean[]) AS asked (id, epoch, by_agent) GROUP BY id, epoch
    ) AS w USING (id)
    WHERE status IN ('PENDING', 'ACTIVE') AND sessions.epoch = w.epoch
    ORDER BY id FOR NO KEY UPDATE OF sessions
  ), s AS (
    UPDATE sessions SET lease_expires_at = CASE
      WHEN status = 'PENDING' AND wanted.by_agent THEN lease_expires_at
      ELSE least(greatest(lease_expires_at, now() + lease_ms * interval '1 ms'), max_ends_at) END
    FROM wanted WHERE sessions.id = wanted.id
    RETURNING sessions.*
  )
  SELECT ${sessionColumns} FROM s`

/** A session whose row has this epoch, as the caller believes. */
interface Activation {
  readonly id: string
  readonly epoch: number
}

interface Renewal extends Activation {
  readonly byAgent: boolean
}

const mostTransitions = 128
const inFlight = 2
const maxWaitMs = 900

interface TransitionGroupOptions<Input> {
  readonly pool: Postgres['relaxed']
  readonly name: string
  readonly sql: string
  readonly columns: (inputs: readonly Input[]) => unknown[][]
}

/** Resolves with the session as it is now; undefined when it was not in the state, or the epoch, that was expected. */
function createTransitionGroup<Input extends Activation>(options: TransitionGroupOptions<Input>) {
  const { pool, name, sql, columns } = options
  type Result = GroupResult<Session | undefined>

  async function statement(inputs: readonly Input[]): Promise<Result[]> {
    const rows = await runStatement<SessionRow>(pool, { name, text: sql, values: columns(inputs) })
    const changed = new Map(rows.map((row) => [row.id, sessionFrom(row)]))
    return inputs.map(({ id, epoch }) => {
      const session = changed.get(id)
      // Two callers of one group may have named different epochs of a session: only one of them was right.
      return { ok: true, value: session?.epoch === epoch ? session : undefined }
    })
  }

  async function run(inputs: readonly Input[], until: number): Promise<readonly Result[]> {
    try {
      return await statement(inputs)
    } catch (error) {
      const isForAll = isUnavailable(error) && !isLockTimeout(error)
      if (inputs.length === 1 || isForAll) return inputs.map(() => ({ ok: false, error }))
      return runEachAlone(inputs, alone, until - lockTimeoutMs)
    }
  }

  async function alone(input: Input): Promise<Result> {
    try {
      return (await statement([input]))[0] ?? { ok: true, value: undefined }
    } catch (error) {
      return { ok: false, error }
    }
  }

  return createGroupCommit({
    run,
    maxSize: mostTransitions,
    maxInFlight: inFlight,
    maxWaitMs,
    answerWithinMs: groupAnswerWithinMs,
  })
}

/** PostgreSQL flushes what was committed with synchronous_commit=off within three rounds of its writer, 0.6 s. */
const unflushedMs = 5_000

/** Activations, and those of the last seconds once more: what was not flushed is gone after a crash of PostgreSQL. */
export function createActivations({ relaxed }: Pick<Postgres, 'relaxed'>) {
  const submit = createTransitionGroup<Activation>({
    pool: relaxed,
    name: 'sessions-activate',
    sql: activateSql,
    columns: (inputs) => [inputs.map(({ id }) => id), inputs.map(({ epoch }) => epoch)],
  })
  const recent: (Activation & { at: number })[] = []

  function forgetFlushed(): void {
    const since = performance.now() - unflushedMs
    const kept = recent.findIndex(({ at }) => at >= since)
    recent.splice(0, kept < 0 ? recent.length : kept)
  }

  return {
    async activate(activation: Activation): Promise<Session | undefined> {
      const session = await submit(activation)
      if (session) recent.push({ ...activation, at: performance.now() })
      if (recent.length % 256 === 0) forgetFlushed()
      return session
    },
    /** Resolves with the number of sessions that had fallen back to PENDING. */
    async repeat(): Promise<number> {
      const repeated = await Promise.all(recent.map((activation) => submit(activation)))
      forgetFlushed()
      return repeated.filter((session) => session !== undefined).length
    },
  }
}

export function createRenewGroup({ relaxed }: Pick<Postgres, 'relaxed'>) {
  return createTransitionGroup<Renewal>({
    pool: relaxed,
    name: 'sessions-renew',
    sql: renewSql,
    columns: (inputs) => [
      inputs.map(({ id }) => id),
      inputs.map(({ epoch }) => epoch),
      inputs.map(({ byAgent }) => byAgent),
    ],
  })
}
