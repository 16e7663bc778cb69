import type { DemandCounts, DemandFeed, SizingLedger } from '../domain/sizing-ports.ts'

interface PoolDemandDeps {
  readonly agentType: string
  readonly feed: DemandFeed
  readonly ledger: Pick<SizingLedger, 'openedSince'>
  /** Where an earlier leader stopped counting. */
  readonly from: DemandCounts | undefined
  /** Epoch ms. */
  readonly now: () => number
}

interface Arrived {
  readonly arrivals: number
  readonly misses: number
}

/** Without Redis each look would cost PostgreSQL a query; a second is soon enough while that lasts. */
const fallbackEveryMs = 1_000

const nothing: Arrived = { arrivals: 0, misses: 0 }

/**
 * How many sessions one pool was asked for since the last look. In one of these modes:
 *
 * - counted: Redis' counts since they were last read; counts that began anew are taken whole;
 * - first look: there is nothing to compare with, so nothing has arrived;
 * - without Redis: the rows of sessions opened since the last look. Opens that were refused left no row, so demand is
 *   underrated until Redis is back; what was counted this way is then taken off what Redis says.
 */
export function createPoolDemand({ agentType, feed, ledger, from, now }: PoolDemandDeps) {
  let counts = from
  let lookedAt = now()
  let byRows = nothing

  function counted(found: DemandCounts): Arrived {
    const before = counts
    const taken = byRows
    counts = found
    byRows = nothing
    lookedAt = now()
    if (!before) return nothing
    const continues = found.since === before.since && found.arrivals >= before.arrivals
    if (!continues) return minus(found, nothing)
    return minus(found, {
      arrivals: before.arrivals + taken.arrivals,
      misses: before.misses + taken.misses,
    })
  }

  return {
    async look(): Promise<Arrived> {
      const found = await feed.read(agentType)
      if (found) return counted(found)
      const at = now()
      if (at - lookedAt < fallbackEveryMs) return nothing
      const opened = await ledger.openedSince(agentType, lookedAt)
      lookedAt = at
      byRows = {
        arrivals: byRows.arrivals + opened.arrivals,
        misses: byRows.misses + opened.misses,
      }
      return opened
    },
    /** For the next leader. */
    counts: (): DemandCounts | undefined => counts,
  }
}

export type PoolDemand = ReturnType<typeof createPoolDemand>

function minus(found: Arrived, taken: Arrived): Arrived {
  return {
    arrivals: Math.max(0, found.arrivals - taken.arrivals),
    misses: Math.max(0, found.misses - taken.misses),
  }
}
