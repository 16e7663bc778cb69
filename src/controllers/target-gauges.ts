import type { SizingTerms } from '../domain/sizing/sizing-terms.ts'
import type { Metrics } from '../metrics.ts'

interface Shown {
  /** Idle pods that the pool keeps. */
  readonly min: number
  /** What its rule would keep, where it only recommends. */
  readonly recommended: number | undefined
  readonly terms: SizingTerms
}

/** Terms that are numbers of pods, in the order in which the target is made. */
const podTerms = [
  'inFlight',
  'quantile',
  'season',
  'feedback',
  'schedule',
  'hold',
  'maxIdle',
  'budget',
  'min',
  'room',
] as const

/** The target of each pool and what it was made from, for Prometheus. Only the leader speaks for the pools. */
export function createTargetGauges(metrics: Metrics) {
  const { poolTarget, poolRecommended, poolTargetTerms, poolDemand, poolHitRateGoal } = metrics
  const all = [poolTarget, poolRecommended, poolTargetTerms, poolDemand, poolHitRateGoal]

  /** A term that does not bind has no series, so that a graph shows no 0 that nobody meant. */
  function showTerm(agentType: string, term: string, pods: number | undefined): void {
    const labels = { agent_type: agentType, term }
    if (pods === undefined) poolTargetTerms.remove(labels)
    else poolTargetTerms.set(labels, pods)
  }

  return {
    show(agentType: string, { min, recommended, terms }: Shown): void {
      const labels = { agent_type: agentType }
      poolTarget.set(labels, min)
      if (recommended === undefined) poolRecommended.remove(labels)
      else poolRecommended.set(labels, recommended)
      for (const term of podTerms) showTerm(agentType, term, terms[term])
      poolDemand.set(labels, terms.claimsPerSecond)
      if (terms.goal === undefined) poolHitRateGoal.remove(labels)
      else poolHitRateGoal.set(labels, terms.goal)
    },

    forget(agentType: string): void {
      for (const gauge of [poolTarget, poolRecommended, poolDemand, poolHitRateGoal])
        gauge.remove({ agent_type: agentType })
      for (const term of podTerms) showTerm(agentType, term, undefined)
    },

    end(): void {
      for (const gauge of all) gauge.reset()
    },
  }
}
