import type { OpenRecord, SessionStore, TogetherOutcome } from '../domain/session-ports.ts'
import { pause } from '../timing/pause.ts'
import {
  answerWithinMs,
  databaseError,
  leastLookMs,
  type Postgres,
  runStatement,
  violatedConstraint,
} from './postgres-client.ts'
import {
  type OpenedRow,
  openedSessions,
  openInput,
  openValues,
  pendingSession,
} from './postgres-open-group.ts'
import { isPoolPod } from './postgres-pool-pods.ts'
import { usageConstraint } from './project-usage.ts'
import { readSessions } from './session-query.ts'

/**
 * Opens that are wanted all or not at all are one statement of their own, which takes its locks in the order of a group of
 * opens. What stands in the way of one is found before anything is written, and then nothing is written for any of them.
 */
const openTogetherSql = `
  WITH ${openInput}, judged AS MATERIALIZED (
    SELECT input.*, CASE
      WHEN (SELECT true FROM sessions WHERE sessions.id = input.id) THEN 'session-exists'
      WHEN ${isPoolPod('input."podUid"', 'input."agentType"')} IS NOT TRUE THEN 'pod-not-noted'
      WHEN (SELECT true FROM pod_claims WHERE pod_uid = "podUid") THEN 'pod-taken'
      WHEN row_number() OVER (PARTITION BY "projectId" ORDER BY nth) > spare THEN 'project-full'
    END AS obstacle
    FROM input LEFT JOIN usage ON project_id = "projectId"
  ), claim AS (
    INSERT INTO pod_claims (pod_uid, purpose, session_id, epoch)
    SELECT "podUid", 'session', id, epoch FROM judged
    WHERE NOT EXISTS (SELECT FROM judged WHERE obstacle IS NOT NULL)
    ORDER BY "podUid"
    ON CONFLICT (pod_uid) DO NOTHING
    RETURNING session_id
  ), ${openedSessions}
  SELECT id, obstacle, created_ms, lease_expires_ms FROM judged LEFT JOIN s USING (id)`

type Obstacle = Exclude<TogetherOutcome['kind'], 'committed' | 'held-back'>

interface JudgedRow extends OpenedRow {
  obstacle: Obstacle | null
}

/** Two statements for one key at the same moment: the second try finds what the first one met. */
const mostTries = 2

export function createOpenTogether({
  durable,
  fresh,
}: Pick<Postgres, 'durable' | 'fresh'>): SessionStore['commitTogether'] {
  async function run(records: readonly OpenRecord[], tries = 1): Promise<readonly TogetherOutcome[]> {
    try {
      const values = openValues(records)
      const text = openTogetherSql
      return await outcomesOf(
        records,
        await runStatement<JudgedRow>(durable, { name: 'sessions-open-together', text, values }),
      )
    } catch (error) {
      const constraint = violatedConstraint(error)
      if (constraint === usageConstraint) return records.map(() => ({ kind: 'project-full' }))
      if (constraint !== undefined && tries < mostTries) return await run(records, tries + 1)
      throw error
    }
  }

  async function outcomesOf(
    records: readonly OpenRecord[],
    rows: readonly JudgedRow[],
  ): Promise<readonly TogetherOutcome[]> {
    const judged = new Map(rows.map((row) => [row.id, row]))
    const isRefused = rows.some(({ obstacle }) => obstacle !== null)
    const existing = rows.filter(({ obstacle }) => obstacle === 'session-exists').map(({ id }) => id)
    const present = new Map(
      existing.length === 0
        ? []
        : (await readSessions(durable, existing)).map((session) => [session.id, session]),
    )
    return records.map((record): TogetherOutcome => {
      const row = judged.get(record.id)
      const session = row && pendingSession(record, row)
      if (session) return { kind: 'committed', session }
      // One that was purged meanwhile is no longer in the way.
      const found = present.get(record.id)
      if (row?.obstacle === 'session-exists')
        return found ? { kind: 'session-exists', session: found } : { kind: 'held-back' }
      if (row?.obstacle) return { kind: row.obstacle }
      return { kind: isRefused ? 'held-back' : 'pod-taken' }
    })
  }

  /** The statement may have run although its answer was lost. Its sessions are there together, or not at all. */
  async function afterUnknownOutcome(
    records: readonly OpenRecord[],
    error: unknown,
    begun: number,
  ): Promise<readonly TogetherOutcome[]> {
    const leftMs = Math.max(leastLookMs, begun + answerWithinMs - performance.now())
    const answered = new AbortController()
    const ids = records.map(({ id }) => id)
    const sessions = await Promise.race([
      readSessions(fresh, ids).catch(() => []),
      pause(leftMs, answered.signal).then(() => []),
    ])
    answered.abort()
    const present = new Map(sessions.map((session) => [session.id, session]))
    const isOurs = ({ id, pod, epoch }: OpenRecord): boolean => {
      const session = present.get(id)
      return session?.status === 'PENDING' && session.pod?.uid === pod.uid && session.epoch === epoch
    }
    if (!records.some(isOurs)) throw databaseError(error)
    return records.map((record): TogetherOutcome => {
      const session = present.get(record.id)
      return session && isOurs(record) ? { kind: 'committed', session } : { kind: 'pod-taken' }
    })
  }

  return async function commitTogether(records) {
    if (records.length === 0) return []
    const begun = performance.now()
    return run(records).catch((error: unknown) => afterUnknownOutcome(records, error, begun))
  }
}
