import type { PodView } from '../domain/cluster-ports.ts'
import { isServable } from './slot-fitness.ts'

/** Long enough to see the refills of a quiet pool, short enough to notice that they stopped. */
const windowMs = 60_000
/** For a pool that refills faster, the latest of these tell the rate well enough. */
const mostTimes = 256
const leastRetryMs = 1_000
/** Nobody should stay away longer: pools change. */
const mostRetryMs = 30_000
/** Assumed of a pool that has not refilled yet: the fastest agents start in about a second. */
const assumedPerSecond = 1

/** How fast pods of each pool become Ready, as this replica sees it. A refused caller is told to wait accordingly. */
export function createRefillRate(pods: PodView, now: () => number) {
  const readyAt = new Map<string, number[]>()
  const seen = new Set<string>()
  pods.onChange(({ pod, gone }) => {
    if (gone) seen.delete(pod.uid)
    if (gone || seen.has(pod.uid) || !isServable(pod)) return
    seen.add(pod.uid)
    // The first list shows all pods at once, which is no refill.
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
