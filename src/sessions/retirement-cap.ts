import type { SlotIndex } from '../domain/index-ports.ts'
import { createExpiringMemory } from '../timing/expiring-memory.ts'

/** A failed delivery says as much about the network as about the pod, so only so many pods are retired for it. */
export const failureWindowMs = 10_000
const leastRetirements = 2
const shareOfPool = 0.05

interface RetirementCapDeps {
  readonly index: Pick<SlotIndex, 'noteFailure'>
  /** Monotonic milliseconds. */
  readonly now: () => number
}

interface FailedPod {
  readonly agentType: string
  readonly podUid: string
  readonly poolSize: () => number
}

/**
 * DESIGN §3: at most max(2, 5 % of the pool) retirements by failed delivery in 10 s, over all replicas; beyond that the
 * pool is Degraded. Without Redis each replica counts its own.
 */
export function createRetirementCap({ index, now }: RetirementCapDeps) {
  const retirements = new Map<string, number[]>()
  const degraded = createExpiringMemory<string>({ keptMs: failureWindowMs, now })

  function recent(agentType: string): number[] {
    const kept = (retirements.get(agentType) ?? []).filter((at) => at > now() - failureWindowMs)
    if (kept.length === 0) retirements.delete(agentType)
    else retirements.set(agentType, kept)
    return kept
  }

  const mostOf = (poolSize: number) => Math.max(leastRetirements, Math.floor(poolSize * shareOfPool))

  return {
    /** Notes a failure; resolves with whether its pod may be given up and another one tried. */
    async admit({ agentType, podUid, poolSize }: FailedPod): Promise<boolean> {
      const seen = (await index.noteFailure(agentType, podUid, failureWindowMs)) ?? 0
      const own = recent(agentType)
      if (Math.max(seen, own.length + 1) > mostOf(poolSize())) {
        degraded.set(agentType, true)
        return false
      }
      retirements.set(agentType, [...own, now()])
      return true
    },

    /** Whether the pool is Degraded: no pod is tried. */
    reached(agentType: string, poolSize: () => number): boolean {
      if (degraded.has(agentType)) return true
      const count = recent(agentType).length
      // Every open asks, and there is nearly always no failure: only then is a pool of thousands counted.
      return count >= leastRetirements && count >= mostOf(poolSize())
    },
  }
}

export type RetirementCap = ReturnType<typeof createRetirementCap>
