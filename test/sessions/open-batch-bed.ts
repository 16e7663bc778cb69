import { randomUUID } from 'node:crypto'
import type { Test } from 'tap'
import type { OpenRequest } from '../../src/domain/session-request.ts'
import type { BatchContext } from '../../src/sessions/open-batch.ts'
import { silent } from '../support/kept-log.ts'
import { agentType, type startReplica } from './open-bed.ts'
import type { startOpenServers } from './open-session-bed.ts'

/** Batches for the tests of them, and what they leave behind. */

type Replica = Awaited<ReturnType<typeof startReplica>>
type Bed = Awaited<ReturnType<Awaited<ReturnType<typeof startOpenServers>>['startBed']>>

export function batchContext(more: Partial<BatchContext> = {}): BatchContext {
  const signal = new AbortController().signal
  return { idempotencyKey: undefined, signal, logger: silent, headStartMs: () => 0, ...more }
}

export function requestsOf(count: number, more: Partial<OpenRequest> = {}): OpenRequest[] {
  return Array.from({ length: count }, () => ({ agentType, onEmpty: 'fail', ...more }))
}

export const openAll = (
  { sessionApi }: Pick<Replica, 'sessionApi'>,
  requests: readonly OpenRequest[],
  more: Partial<BatchContext> = {},
) => sessionApi.openBatch.openAll(requests, batchContext(more))

export const openAvailable = (
  { sessionApi }: Pick<Replica, 'sessionApi'>,
  requests: readonly OpenRequest[],
  more: Partial<BatchContext> = {},
) => sessionApi.openBatch.openAvailable(requests, batchContext(more))

export const newKey = () => randomUUID()

interface Left {
  readonly claimed: number
  readonly retired: number
  readonly reserved: number
  readonly free: number | undefined
  readonly statuses: Readonly<Record<string, number>>
}

/** What PostgreSQL and Redis hold now. Reservations are settled a moment after their commit. */
export async function leftBehind({ claims, index, redis, postgres }: Bed): Promise<Left> {
  const rows = await claims()
  const { rows: statuses } = await postgres.durable.query<{ what: string; count: string }>(
    `SELECT status || coalesce(' ' || end_reason, '') AS what, count(*) FROM sessions GROUP BY 1 ORDER BY 1`,
  )
  return {
    claimed: rows.filter(({ purpose }) => purpose === 'session').length,
    retired: rows.filter(({ purpose }) => purpose === 'retired').length,
    reserved: await redis.hlen(`greenroom:{${agentType}}:reservations`),
    free: await index.size(agentType),
    statuses: Object.fromEntries(statuses.map(({ what, count }) => [what, Number(count)])),
  }
}

/** Every session is on a pod of its own, whose agent serves it. */
export function areServed(
  t: Test,
  { agents }: Bed,
  sessions: readonly { id: string; epoch: number; pod?: { uid: string } | undefined }[],
): void {
  t.equal(new Set(sessions.map(({ pod }) => pod?.uid)).size, sessions.length, 'each has a pod of its own')
  for (const { id, epoch, pod } of sessions) {
    const { serving } = agents.agent(pod?.uid ?? '')
    if (serving?.sessionId !== id || serving.epoch !== epoch) t.fail(`${pod?.uid ?? 'no pod'} serves another`)
  }
}
