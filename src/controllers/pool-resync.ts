interface PoolResyncDeps {
  /** Pools that are wanted or have pods. */
  readonly poolsToWatch: () => readonly string[]
  /** Whether wake-ups of the API replicas can arrive at present. */
  readonly isHeard: () => boolean
}

/** A look at a pool costs some milliseconds here and in PostgreSQL: 20 a second are a tenth of a core, 100 are half of one. */
const mostAtOnce = 40
/** Above 200 pools each look takes more pools instead, so that no pool waits longer. */
const mostLooks = 5

/**
 * Which pools are looked at although nothing happened, in case an event was lost. Up to 40 pools: all of them each time.
 * Beyond that a look takes the next part of them, and all have had their turn after five looks at most. While no wake-up
 * can arrive, claims start no refill, so each look takes all.
 */
export function createPoolResync({ poolsToWatch, isHeard }: PoolResyncDeps) {
  let rest: readonly string[] = []
  let atOnce = Number.POSITIVE_INFINITY

  return {
    /** The first look takes all: nobody has looked at them for this leader. */
    due(): readonly string[] {
      const all = poolsToWatch()
      if (!isHeard()) return all
      if (rest.length === 0) rest = all
      const due = rest.slice(0, atOnce)
      rest = rest.slice(due.length)
      const looks = Math.min(mostLooks, Math.ceil(all.length / mostAtOnce))
      atOnce = Math.ceil(all.length / Math.max(1, looks))
      return due
    },
  }
}
