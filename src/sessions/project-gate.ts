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
/** As long after the last refusal a project counts as not full again: a storm of opens is refused much more often. */
const fullForgottenMs = 5_000

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

  function enter(projectId: string, most: number, count: number): void {
    let until = fullUntil.get(projectId)
    if (until !== undefined && now() >= until + fullForgottenMs) {
      fullUntil.delete(projectId)
      until = undefined
    }
    const isFull = until !== undefined && now() < until
    if (isFull || (underWay.get(projectId) ?? 0) + count > most) throw tooMany()
    if (until !== undefined) fullUntil.set(projectId, now() + probeEveryMs)
    underWay.set(projectId, (underWay.get(projectId) ?? 0) + count)
  }

  function leave(projectId: string, count: number): void {
    const left = (underWay.get(projectId) ?? 0) - count
    if (left > 0) underWay.set(projectId, left)
    else underWay.delete(projectId)
  }

  async function countOpens(
    projectId: string,
    count: number,
    { onQuota }: Opening['context'],
  ): Promise<void> {
    const most = limits.of(projectId)?.opensPerMinute
    if (most === undefined) return
    const quota = await quotas.countOpens(projectId, most, count)
    if (!quota) return metrics.projectUnchecked.inc({ limit: 'opens' })
    onQuota?.(quota)
    if (quota.isTaken) return
    metrics.projectRefusals.inc({ limit: 'opens' })
    const sentence = `The project may open ${most} sessions in a minute.`
    throw new GreenroomError('GRN_RATE_LIMITED', sentence, { retryAfterMs: quota.resetMs })
  }

  /** Opens of one project: all of them, or none. */
  async function admitTogether(first: Opening, count: number): Promise<() => void> {
    const { projectId } = first.request
    if (projectId === undefined) return () => {}
    await countOpens(projectId, count, first.context)
    const most = limits.of(projectId)?.maxSessions
    if (most === undefined) return () => {}
    enter(projectId, most, count)
    return () => leave(projectId, count)
  }

  return {
    /**
     * To be called once for each open that is about to take a pod; throws GRN_PROJECT_LIMIT or GRN_RATE_LIMITED. Resolves
     * with what must be called when the open is over.
     */
    admit: (opening: Opening): Promise<() => void> => admitTogether(opening, 1),

    /** The same for opens of which all are to take a pod, or none. What an earlier project has counted stays counted. */
    async admitAll(openings: readonly Opening[]): Promise<() => void> {
      const leaves: (() => void)[] = []
      const leaveAll = () => {
        for (const leaveOne of leaves) leaveOne()
      }
      try {
        for (const its of Map.groupBy(openings, ({ request }) => request.projectId).values())
          if (its[0]) leaves.push(await admitTogether(its[0], its.length))
      } catch (error) {
        leaveAll()
        throw error
      }
      return leaveAll
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
