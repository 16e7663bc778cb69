/**
 * The misses that the goal allows, and how far the past is from them: an integrator, so that the hit rate comes right in the
 * long run whatever the claims do.
 */
export interface ErrorBudget {
  /** Misses beyond the allowed ones; below zero are misses that may still happen. */
  debt: number
}

/** One pod for what 4,000 claims may miss: four misses at 99.9 %. An answer twice as quick costs 5 % more: the target swings. */
const claimsPerPod = 4_000
/** One pod fewer for a little less, so that what is left over is spent. */
const claimsPerSparedPod = 3_000
/** Left over at most; a longer quiet time gives no right to a long bad one. */
const mostCreditClaims = 24_000
/** Of the pods, the share that may be spared. With a third the target swings, which costs more than it saves. */
const mostSpared = 0.15
/** So much left over is no chance: the model asks for too many, before bursts that it knows for example. */
const plentyClaims = 12_000
const mostSparedOfPlenty = 0.6

export function emptyErrorBudget(): ErrorBudget {
  return { debt: 0 }
}

interface Outcome {
  readonly claims: number
  readonly misses: number
  /** Share of the claims that may miss. */
  readonly missesAllowed: number
  /** The model's number. A debt of more than twice as many pods comes from an outage, and would be paid back for days. */
  readonly modelPods: number
}

/** Changes `budget`. */
export function noteMisses(budget: ErrorBudget, { claims, misses, missesAllowed, modelPods }: Outcome): void {
  const debt = budget.debt + misses - missesAllowed * claims
  const mostPods = Math.max(10, 2 * modelPods) / 2
  budget.debt = Math.min(
    Math.max(debt, -mostCreditClaims * missesAllowed),
    mostPods * claimsPerPod * missesAllowed,
  )
}

/** Pods more, or fewer, than the past claims ask for. */
export function podsOfBudget({ debt }: ErrorBudget, pods: number, missesAllowed: number): number {
  if (debt > 0) return Math.ceil(debt / (claimsPerPod * missesAllowed))
  const spared = Math.floor(-debt / (claimsPerSparedPod * missesAllowed))
  const share = -debt >= plentyClaims * missesAllowed ? mostSparedOfPlenty : mostSpared
  return -Math.min(spared, Math.max(1, Math.floor(pods * share)))
}
