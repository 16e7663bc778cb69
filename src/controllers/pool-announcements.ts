import type { PoolNotices } from '../domain/index-ports.ts'
import type { ObservedPool, ObservedState, SlotView } from '../domain/pool-observation.ts'
import type { PoolPlan } from '../domain/pool-plan.ts'
import type { PoolProblem } from '../domain/pool-problem.ts'
import type { Logger } from '../logging.ts'
import type { Metrics } from '../metrics.ts'
import type { PodGrowth } from './pod-growth.ts'
import type { PoolEvents } from './pool-events.ts'
import type { PoolFailures } from './pool-failures.ts'
import type { PoolRollouts, RolloutLook } from './pool-rollouts.ts'
import type { PoolRoom, PoolRoomShare } from './pool-room.ts'
import type { PoolTarget } from './pool-targets.ts'

interface PoolAnnouncementsDeps {
  readonly notices: PoolNotices
  readonly poolEvents: PoolEvents
  readonly poolRoom: Pick<PoolRoom, 'problem'>
  readonly rollouts: Pick<PoolRollouts, 'problem'>
  readonly podGrowth: Pick<PodGrowth, 'report'>
  /** Makes an Event. The same message is one Event with a count. */
  readonly report: (agentType: string, reason: string, message: string) => void
  readonly metrics: Metrics
  readonly logger: Logger
}

/** What one look at a pool came to. */
interface Outcome {
  readonly plan: PoolPlan
  readonly rollout: RolloutLook | undefined
  readonly target: PoolTarget | undefined
  readonly room: PoolRoomShare
  readonly observed: ObservedPool
  /** Opens that wait for a pod. */
  readonly waiting: number
}

const countedStates: readonly ObservedState[] = ['warming', 'ready', 'claimed', 'draining', 'failed']

/** Tells people and the API how each pool is: the notice in Redis, metrics, Events and the log. */
export function createPoolAnnouncements(deps: PoolAnnouncementsDeps) {
  const { notices, poolEvents, poolRoom, rollouts, podGrowth, report, metrics, logger } = deps
  /** What was told last of each pool that has a problem. */
  const told = new Map<string, PoolProblem>()

  /** The metric and the log of what keeps the pool from its pods; both end with it. */
  function tell(agentType: string, problem: PoolProblem | undefined): void {
    const before = told.get(agentType)
    if (before && before.cause !== problem?.cause)
      metrics.poolProblem.remove({ agent_type: agentType, cause: before.cause })
    if (problem) {
      told.set(agentType, problem)
      metrics.poolProblem.set({ agent_type: agentType, cause: problem.cause }, 1)
    } else if (told.delete(agentType))
      logger.info({ agentType, cause: before?.cause, since: before?.since }, 'the problem of a pool is over')
  }

  return {
    /** What keeps the pool from its goal; the failed writes first. */
    async post(
      agentType: string,
      failures: PoolFailures,
      { plan, target, room, rollout, observed, waiting }: Outcome,
    ): Promise<void> {
      const overQuota = poolRoom.problem(agentType, room, plan)
      const stopped = rollout && rollouts.problem(rollout)
      const failing = failures.problem(plan)
      // The canary's failure is what the failures of pods tell as well; of the two, the stopped roll-out is the news.
      const isSame = failing !== undefined && stopped?.message.includes(failing.message)
      const problem = (isSame ? stopped : failing) ?? overQuota ?? stopped
      tell(agentType, problem)
      await poolEvents.look(agentType, {
        ready: observed.counts.ready,
        waiting,
        isWanted: (target?.min ?? 0) > 0,
        problem,
      })
      await notices.post(agentType, {
        boundBy:
          failures.boundBy() ?? (overQuota ? 'quota' : (plan.boundBy ?? room.boundBy ?? target?.boundBy)),
        message: problem?.message,
        problem,
        quotaPods: room.share.allowed,
        yielded: room.yielded,
        thin: podGrowth.report(agentType),
        sizing: target?.report,
      })
    },

    /** Idle pods that failed since the last look. */
    failed(agentType: string, slots: readonly SlotView[], failures: PoolFailures): void {
      for (const { name, deadReason, trouble } of slots) {
        const cause = trouble?.cause ?? 'crash'
        metrics.podStartFailures.inc({ agent_type: agentType, cause })
        logger.warn({ pod: name, cause, reason: trouble?.message ?? deadReason }, 'idle pod failed')
      }
      const [first] = slots
      if (!first) return
      const message = `${first.trouble?.cause ?? 'crash'}: ${first.trouble?.message ?? first.deadReason}`
      report(agentType, 'PodStartFailed', failures.stableMessage(message))
    },

    counts(agentType: string, observed: ObservedPool): void {
      for (const [state, count] of Object.entries(observed.counts)) {
        metrics.poolSlots.set({ agent_type: agentType, state }, count)
      }
    },

    /** A pool that is not wanted and has no pods. */
    forget(agentType: string): void {
      tell(agentType, undefined)
      poolEvents.forget(agentType)
      for (const state of countedStates) metrics.poolSlots.remove({ agent_type: agentType, state })
    },
  }
}
