import type { SimulatedLoad } from './simulate-pool.ts'
import { TimeHeap } from './time-heap.ts'

/** What every fixed size would have given, from one pass over the claims. */
export interface FixedSizes {
  readonly claims: number
  /** `misses[size]`: claims that found that many replacements or more under way. */
  readonly misses: readonly number[]
}

/**
 * A pool of S pods that replaces each claimed pod at once has a warm pod for a claim exactly when fewer than S
 * replacements are under way. So one heap of the starts under way gives the misses of every S at once, for any arrivals
 * and any start times, as long as pods start independently of one another.
 */
export function missesOfFixedSizes(load: SimulatedLoad): FixedSizes {
  const underWay = new TimeHeap()
  const seen: number[] = []
  const countedFrom = load.countedFrom ?? 0
  let claims = 0
  for (const time of load.claimTimes) {
    while (underWay.earliest <= time) underWay.pop()
    if (time >= countedFrom) {
      claims += 1
      seen[underWay.size] = (seen[underWay.size] ?? 0) + 1
    }
    underWay.push(time + load.nextStartSeconds())
  }
  const misses: number[] = []
  let left = claims
  for (let size = 0; size <= seen.length; size += 1) {
    misses.push(left)
    left -= seen[size] ?? 0
  }
  return { claims, misses }
}

/** The smallest fixed size that keeps the goal; nobody knows it beforehand. */
export function hindsightBest({ claims, misses }: FixedSizes, goal: number): number {
  const allowed = (1 - goal) * claims
  const size = misses.findIndex((count) => count <= allowed)
  return size === -1 ? misses.length : size
}
