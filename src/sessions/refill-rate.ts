import type { PodView } from '../domain/ports.ts'
import { isServable } from './slot-candidates.ts'

/** Long enough to see the refills of a quiet pool, short enough to notice that they stopped. */
const windowMs = 60_000
/** Of a pool that refills faster than this the rate is known well enough from the latest. */
const mostTimes = 256
const leastRetryMs = 1_000
/** Nobody should stay away longer: pools change. */
const mostRetryMs = 30_000
/** A pod of the fastest agents starts in about a second: what a pool that has shown nothing yet is taken to do. */
const assumedPerSecond = 1

/** How fast pods of each pool become Ready, as this replica sees it: what a refused caller is told to wait. */
export function createRefillRate(pods: PodView, now: () => number) {
  const readyAt = new Map<string, number[]>()
  const seen = new Set<string>()
  pods.onChange(({ pod, gone }) => {
    if (gone) seen.delete(pod.uid)
    if (gone || seen.has(pod.uid) || !isServable(pod)) return
    seen.add(pod.uid)
    // The first list shows all pods at once; that is no refill.
    if (pods.synced()) note(pod.agentType)
  })

  function note(agentType: string): void {
    const times = readyAt.get(agentType) ?? []
    readyAt.set(agentType, times)
    times.push(now())
    if (times.length > mostTimes) times.shift()
  }

  function recent(agentType: string): readonly number[] {
    return (readyAt.get(agentType) ?? []).filter((at) => at > now() - windowMs)
  }

  return {
    /** When a pod may be there for one more, with `waiting` opens before it. */
    retryAfterMs(agentType: string, waiting: number): number {
      const times = recent(agentType)
      const [first] = times
      const perSecond =
        first === undefined ? assumedPerSecond : (times.length * 1_000) / Math.max(1_000, now() - first)
      const ms = ((waiting + 1) / perSecond) * 1_000
      return Math.round(Math.min(mostRetryMs, Math.max(leastRetryMs, ms)))
    },
  }
}

export type RefillRate = ReturnType<typeof createRefillRate>
