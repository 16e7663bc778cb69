import type { Session } from '../domain/session.ts'
import { createGroupCommit, type GroupResult } from './group-commit.ts'
import { isUnavailable, type Postgres, runStatement } from './postgres-client.ts'
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

// An agent renews only after it has accepted: its renewal proves the acknowledgement that a crash of PostgreSQL may
// have taken from an activation, which is not flushed (synchronous_commit=off).
const renewSql = `
  WITH wanted AS (
    SELECT sessions.id, w.by_agent FROM sessions
      JOIN unnest($1::uuid[], $2::integer[], $3::boolean[]) AS w (id, epoch, by_agent) USING (id)
    WHERE status IN ('PENDING', 'ACTIVE') AND sessions.epoch = w.epoch
    ORDER BY id FOR NO KEY UPDATE OF sessions
  ), s AS (
    UPDATE sessions SET
      status = CASE WHEN wanted.by_agent THEN 'ACTIVE' ELSE status END,
      active_at = CASE WHEN wanted.by_agent THEN coalesce(active_at, now()) ELSE active_at END,
      lease_expires_at = least(greatest(lease_expires_at, now() + lease_ms * interval '1 ms'), max_ends_at)
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

  async function run(inputs: readonly Input[]): Promise<readonly Result[]> {
    try {
      const rows = await runStatement<SessionRow>(pool, { name, text: sql, values: columns(inputs) })
      const changed = new Map(rows.map((row) => [row.id, sessionFrom(row)]))
      return inputs.map(({ id, epoch }) => {
        const session = changed.get(id)
        // Two callers of one group may have named different epochs of a session: only one of them was right.
        return { ok: true, value: session?.epoch === epoch ? session : undefined }
      })
    } catch (error) {
      if (inputs.length === 1 || isUnavailable(error)) return inputs.map(() => ({ ok: false, error }))
      const results: Result[] = []
      for (const input of inputs) results.push(...(await run([input])))
      return results
    }
  }

  return createGroupCommit({ run, maxSize: mostTransitions, maxInFlight: inFlight, maxWaitMs })
}

export function createActivateGroup({ relaxed }: Pick<Postgres, 'relaxed'>) {
  return createTransitionGroup<Activation>({
    pool: relaxed,
    name: 'sessions-activate',
    sql: activateSql,
    columns: (inputs) => [inputs.map(({ id }) => id), inputs.map(({ epoch }) => epoch)],
  })
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
