import type { PoolSpec } from '../domain/pool.ts'
import type { ObservedPool } from '../domain/pool-observation.ts'
import type { DesiredPool, PoolPlan } from '../domain/pool-plan.ts'
import type { PoolProblem } from '../domain/pool-problem.ts'
import { nextYield, noYield, type PendingPod, type YieldingPool, yieldedBy } from '../domain/yield-pods.ts'
import type { Logger } from '../logging.ts'
import type { PoolSizes } from './pool-sizes.ts'
import type { QuotaShares, TakenShare } from './quota-shares.ts'

interface PoolRoomDeps {
  readonly quotaShares: QuotaShares
  readonly sizeOf: PoolSizes
  /** Pods of others that no node has room for. */
  readonly pending: () => readonly PendingPod[]
  readonly logger: Logger
  /** Epoch ms. */
  readonly now: () => number
}

interface Wanted {
  readonly spec: PoolSpec | undefined
  readonly observed: ObservedPool
  readonly pendingCreates: number
  readonly desired: DesiredPool
  /** A quota has cut the target already: the pool wants one pod more at least, so that the share says what it lacks. */
  readonly isTargetCut: boolean
}

/** What the namespace and its nodes leave a pool. */
export interface PoolRoomShare {
  /** As far as there is room for it. */
  readonly desired: DesiredPool
  readonly quotaPlaces: number
  readonly share: TakenShare
  /** True if quotas take idle pods from what the pool wants. */
  readonly isCut: boolean
  /** Idle pods beyond `min` that make room for pods of others; undefined for none. */
  readonly yielded: number | undefined
  readonly boundBy: 'yield' | undefined
}

/** Cuts what a pool wants to what others leave it: pods of others that wait for a node (`yieldTo`), and ResourceQuotas. */
export function createPoolRoom({ quotaShares, sizeOf, pending, logger, now }: PoolRoomDeps) {
  const yielding = new Map<string, YieldingPool>()
  let state = noYield

  /** How many of the idle pods beyond `min` are given up. */
  function yielded(agentType: string, { spec, desired }: Wanted): number {
    const requests = sizeOf(agentType)?.idleRequests
    if (spec?.yieldTo === 'pending' && !spec.frozen && requests)
      yielding.set(agentType, { agentType, requests, spare: Math.max(0, desired.min - spec.min) })
    else yielding.delete(agentType)
    const before = yieldedBy(state, agentType)
    state = nextYield(state, { pending: pending(), pools: [...yielding.values()], now: now() })
    const count = yieldedBy(state, agentType)
    if (count > before) {
      const names = pending().map(({ name }) => name)
      logger.info({ agentType, count, pending: names.slice(0, 10) }, 'idle pods make room for pods of others')
    } else if (count < before && count === 0)
      logger.info({ agentType }, 'idle pods make no more room for others')
    return count
  }

  return {
    take(agentType: string, wanted: Wanted): PoolRoomShare {
      const { spec, observed, pendingCreates, desired, isTargetCut } = wanted
      const count = yielded(agentType, wanted)
      const min = desired.min - count
      const idle = min + desired.cold + (isTargetCut ? 1 : 0)
      const share = quotaShares.take(agentType, {
        observed,
        pendingCreates,
        min: spec?.min ?? 0,
        wanted: idle,
      })
      return {
        desired: { ...desired, min: Math.max(0, Math.min(min, share.idle - desired.cold)) },
        quotaPlaces: share.places,
        share,
        isCut: share.idle < idle,
        ...(count > 0 ? { yielded: count, boundBy: 'yield' } : { yielded: undefined, boundBy: undefined }),
      }
    },

    /** Why the pool does not get its pods, if a quota is why. */
    problem: (agentType: string, { share, isCut }: PoolRoomShare, plan: PoolPlan): PoolProblem | undefined =>
      quotaShares.problem(agentType, share, plan.boundBy === 'quota' || isCut),

    /** Whether more room would help this pool. */
    isBound: (agentType: string): boolean =>
      quotaShares.isBound(agentType) || yieldedBy(state, agentType) > 0,

    forget(agentType: string): void {
      yielding.delete(agentType)
      quotaShares.forget(agentType)
    },
  }
}

export type PoolRoom = ReturnType<typeof createPoolRoom>
