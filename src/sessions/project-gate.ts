import type { ProjectQuotas } from '../domain/project-limits.ts'
import { GreenroomError } from '../errors.ts'
import type { Metrics } from '../metrics.ts'
import type { Opening } from './opening.ts'
import type { ProjectLimitsView } from './project-limits-view.ts'

/** A project that was full is tried again this often, with one open. */
const probeEveryMs = 250
/** A session ends in seconds or hours; nobody knows. */
const retryFullMs = 5_000
const retryWaitingMs = 1_000

interface ProjectGateDeps {
  readonly limits: Pick<ProjectLimitsView, 'of'>
  readonly quotas: ProjectQuotas
  readonly metrics: Pick<Metrics, 'projectRefusals' | 'projectUnchecked'>
  /** Monotonic milliseconds. */
  readonly now: () => number
}

/**
 * Holds an open against the limits of its project. How many sessions there are PostgreSQL decides, with the claim. The
 * other two limits are counted in Redis, and without it nobody is refused.
 *
 * An open reserves a pod before PostgreSQL is asked. So that the opens of one project that may have no more sessions do
 * not empty the pool for all others, as many of them as it may have sessions are under way here, and once PostgreSQL
 * refused one, others are refused here: only one in a while tries again, until one gets through.
 */
export function createProjectGate({ limits, quotas, metrics, now }: ProjectGateDeps) {
  /** Projects that were full, and when the next open may try again. */
  const fullUntil = new Map<string, number>()
  const underWay = new Map<string, number>()

  function refused(limit: 'sessions' | 'waiting', sentence: string, retryAfterMs: number): GreenroomError {
    metrics.projectRefusals.inc({ limit })
    return new GreenroomError('GRN_PROJECT_LIMIT', sentence, { retryAfterMs })
  }

  function tooMany(): GreenroomError {
    return refused('sessions', 'The project has as many sessions as it may.', retryFullMs)
  }

  function enter(projectId: string, most: number): void {
    const until = fullUntil.get(projectId)
    const isFull = until !== undefined && now() < until
    if (isFull || (underWay.get(projectId) ?? 0) >= most) throw tooMany()
    if (until !== undefined) fullUntil.set(projectId, now() + probeEveryMs)
    underWay.set(projectId, (underWay.get(projectId) ?? 0) + 1)
  }

  function leave(projectId: string): void {
    const left = (underWay.get(projectId) ?? 0) - 1
    if (left > 0) underWay.set(projectId, left)
    else underWay.delete(projectId)
  }

  async function countOpen({ request: { projectId }, context }: Opening): Promise<void> {
    const most = limits.of(projectId)?.opensPerMinute
    if (projectId === undefined || most === undefined) return
    const quota = await quotas.countOpen(projectId, most)
    if (!quota) return metrics.projectUnchecked.inc({ limit: 'opens' })
    context.onQuota?.(quota)
    if (quota.isTaken) return
    metrics.projectRefusals.inc({ limit: 'opens' })
    const sentence = `The project may open ${most} sessions in a minute.`
    throw new GreenroomError('GRN_RATE_LIMITED', sentence, { retryAfterMs: quota.resetMs })
  }

  return {
    /**
     * To be called once for each open that is about to take a pod; throws GRN_PROJECT_LIMIT or GRN_RATE_LIMITED. Resolves
     * with what must be called when the open is over.
     */
    async admit(opening: Opening): Promise<() => void> {
      await countOpen(opening)
      const { projectId } = opening.request
      const most = limits.of(projectId)?.maxSessions
      if (projectId === undefined || most === undefined) return () => {}
      enter(projectId, most)
      return () => leave(projectId)
    },

    /** The answer to an open for which PostgreSQL found no room. */
    full(projectId: string | undefined): GreenroomError {
      if (projectId !== undefined) fullUntil.set(projectId, now() + probeEveryMs)
      return tooMany()
    },

    /** PostgreSQL found room. */
    passed(projectId: string | undefined): void {
      if (projectId !== undefined) fullUntil.delete(projectId)
    },

    /** Before an open waits for a pod. Resolves with what gives its place back. */
    async takePlace({ request: { projectId }, identity, isCold }: Opening, forMs: number) {
      const most = limits.of(projectId)?.maxWaiting
      if (projectId === undefined || most === undefined || isCold) return () => {}
      const has = await quotas.takePlace({ projectId, sessionId: identity.id, most, forMs })
      if (has === undefined) metrics.projectUnchecked.inc({ limit: 'waiting' })
      if (has === false)
        throw refused('waiting', `${most} opens of the project wait for a pod already.`, retryWaitingMs)
      return () => {
        void quotas.leavePlace(projectId, identity.id)
      }
    },
  }
}

export type ProjectGate = ReturnType<typeof createProjectGate>
