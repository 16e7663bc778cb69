import type { ObservedPool, SlotView } from '../domain/pool-observation.ts'
import { type PoolProblem, poolProblem } from '../domain/pool-problem.ts'
import type { Quota } from '../domain/quota.ts'
import {
  isNearBound,
  type QuotaShare,
  type QuotaWish,
  quotaSentence,
  shareQuotas,
} from '../domain/quota-share.ts'
import type { Metrics } from '../metrics.ts'
import type { PoolSizes } from './pool-sizes.ts'

interface QuotaSharesDeps {
  /** undefined while they are not known: then nothing is bound here, and the API server answers. */
  readonly quotas: () => readonly Quota[] | undefined
  readonly sizeOf: PoolSizes
  /** Makes an Event for people. */
  readonly report: (agentType: string, reason: string, message: string) => void
  readonly metrics: Metrics
  /** Epoch ms. */
  readonly now: () => number
}

interface Wanted {
  readonly observed: ObservedPool
  readonly pendingCreates: number
  /** Idle pods that are promised. */
  readonly min: number
  /** Idle pods that the pool wants now. */
  readonly wanted: number
}

/** `isSettled`: no create is in flight, so the numbers are exact. */
export type TakenShare = QuotaShare & { readonly isSettled: boolean }

interface Spell {
  readonly since: number
  readonly message: string
}

/**
 * `used` of a quota and the pods come by two watches. Within this time of a create the quota may not show it yet; the
 * watches of a healthy API server are some milliseconds apart.
 */
const unseenForMs = 3_000

/**
 * The part of the ResourceQuotas that each pool may use, decided anew at each reconcile from what all pools want. A bound
 * that keeps pods from a pool is its problem; one that soon will is an Event, once until there is room again.
 */
export function createQuotaShares({ quotas, sizeOf, report, metrics, now }: QuotaSharesDeps) {
  const wishes = new Map<string, QuotaWish>()
  const allowed = new Map<string, number | undefined>()
  const spells = new Map<string, Spell>()
  /** Pool and bound of which the Event was made. */
  const told = new Map<string, string>()

  function warn(agentType: string, { bound, allowed: most }: QuotaShare, pods: number): void {
    const key =
      bound && most !== undefined && isNearBound(bound, most - pods)
        ? `${bound.quota} ${bound.resource}`
        : undefined
    if (key === told.get(agentType)) return
    if (key === undefined) {
      told.delete(agentType)
      return
    }
    told.set(agentType, key)
    report(
      agentType,
      'QuotaNear',
      `ResourceQuota ${bound?.quota} is nearly used up: ${bound?.resource} allows ${most} pods, and there are ${pods}`,
    )
  }

  return {
    /** Takes what this pool has and wants; answers with its share. */
    take(agentType: string, { observed, pendingCreates, min, wanted }: Wanted): TakenShare {
      const size = sizeOf(agentType)
      if (!size) wishes.delete(agentType)
      const present = observed.slots.filter(countsInQuota)
      const fresh = present.filter(({ createdAt }) => Math.abs(now() - createdAt) < unseenForMs)
      const unseen = pendingCreates + fresh.length
      const { ready, warming } = observed.counts
      const idle = ready + warming + pendingCreates
      const pods = present.length + pendingCreates
      if (size) wishes.set(agentType, { agentType, ...size, pods, idle, unseen, min, wanted })
      const known = quotas() ?? []
      // All pools are looked at for one pool's share, so it is worth knowing that there is nothing to share.
      const shares = known.length > 0 ? shareQuotas([...wishes.values()], known) : undefined
      const share = shares?.get(agentType) ?? unbound(wanted)
      // While creates are in flight the numbers are too small by what `used` shows of them already.
      if (unseen > 0 && share.bound) return { ...share, allowed: allowed.get(agentType), isSettled: false }
      allowed.set(agentType, share.allowed)
      if (share.allowed === undefined) metrics.poolQuotaPods.remove({ agent_type: agentType })
      else metrics.poolQuotaPods.set({ agent_type: agentType }, share.allowed)
      warn(agentType, share, pods)
      return { ...share, isSettled: true }
    },

    /** Why the pool does not get its pods, if its last plan was bound by a quota. */
    problem(agentType: string, share: TakenShare, isBound: boolean): PoolProblem | undefined {
      const before = spells.get(agentType)
      const message = isBound ? quotaSentence(share) : undefined
      if (isBound && !share.isSettled && !before) return undefined
      if (message === undefined) {
        spells.delete(agentType)
        return undefined
      }
      const since = before?.since ?? now()
      spells.set(agentType, { since, message })
      return poolProblem({ cause: 'quota', message, count: 1, since, lastAt: now(), nextTryAt: undefined })
    },

    /** Pods in all that the quotas allow this pool; undefined without a quota that counts them. */
    allowed: (agentType: string): number | undefined => allowed.get(agentType),

    /** Whether more room would help this pool. */
    isBound: (agentType: string): boolean => spells.has(agentType),

    forget(agentType: string): void {
      for (const memory of [wishes, allowed, spells, told]) memory.delete(agentType)
      metrics.poolQuotaPods.remove({ agent_type: agentType })
    },
  }
}

export type QuotaShares = ReturnType<typeof createQuotaShares>

function unbound(wanted: number): QuotaShare {
  return { idle: wanted, places: Number.POSITIVE_INFINITY, allowed: undefined, bound: undefined }
}

/** A pod that has ended counts no more; one that is Terminating does until it is gone. */
function countsInQuota({ deadReason }: SlotView): boolean {
  return deadReason === undefined
}
