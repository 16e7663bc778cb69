/** Deliveries that fail say as much about the network as about the pods: only so many pods are given up for it. */
const windowMs = 10_000
const leastRetirements = 2
const shareOfPool = 0.05

/** DESIGN §3: at most max(2, 5 % of the pool) retirements by failed delivery in 10 s; beyond that it is Degraded. */
export function createRetirementCap(now: () => number) {
  const retirements = new Map<string, number[]>()

  function recent(agentType: string): number[] {
    const kept = (retirements.get(agentType) ?? []).filter((at) => at > now() - windowMs)
    if (kept.length === 0) retirements.delete(agentType)
    else retirements.set(agentType, kept)
    return kept
  }

  return {
    note(agentType: string): void {
      retirements.set(agentType, [...recent(agentType), now()])
    },
    /** Whether one more retirement would be one too many. */
    reached(agentType: string, poolSize: number): boolean {
      return recent(agentType).length >= Math.max(leastRetirements, Math.floor(poolSize * shareOfPool))
    },
  }
}

export type RetirementCap = ReturnType<typeof createRetirementCap>
