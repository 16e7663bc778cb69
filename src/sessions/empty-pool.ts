import type { PoolNotices } from '../domain/index-ports.ts'
import { describeProblem } from '../domain/pool-problem.ts'
import { GreenroomError } from '../errors.ts'

/** The controller's next try needs about this long to become a Ready pod; nobody should stay away for longer than 30 s. */
const startMs = 1_000
const longestRetryMs = 30_000

interface EmptyPool {
  readonly agentType: string
  readonly sentence: string
  /** By the rate at which the pool refills. */
  readonly retryAfterMs: number
}

/** GRN_POOL_EMPTY with what keeps the pool empty, if the controller told. */
export function createEmptyPool(notices: Pick<PoolNotices, 'read'>) {
  return async function emptyPool({ agentType, sentence, retryAfterMs }: EmptyPool): Promise<GreenroomError> {
    const problem = (await notices.read(agentType))?.problem
    if (!problem) return new GreenroomError('GRN_POOL_EMPTY', sentence, { retryAfterMs })
    const nextTryMs =
      problem.nextTryAt === undefined ? 0 : Date.parse(problem.nextTryAt) - Date.now() + startMs
    const message = `${sentence} Since ${problem.since} the pool does not get its pods. ${describeProblem(problem)}`
    return new GreenroomError('GRN_POOL_EMPTY', message, {
      retryAfterMs: Math.min(longestRetryMs, Math.max(retryAfterMs, nextTryMs)),
    })
  }
}

export type EmptyPoolError = ReturnType<typeof createEmptyPool>
