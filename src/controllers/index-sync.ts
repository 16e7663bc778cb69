import type { IndexedSlot, SlotIndex, WakeBus } from '../domain/index-ports.ts'
import type { SlotView } from '../domain/pool-observation.ts'

interface IndexSyncDeps {
  readonly index: SlotIndex
  readonly wakes: WakeBus
  /** Epoch ms. */
  readonly now: () => number
}

/** A slot whose write to Redis was lost is offered to nobody for at most this long. */
const rebuildEveryMs = 5_000
/** Above any time in ms until the year 5138, so drifted pods are handed out after all fresh ones. */
const driftedRank = 1e14
/** And above both: pods on a node that has no room to resize them are handed out last. */
const crowdedRank = 2e14
const nowhere: ReadonlySet<string> = new Set()

/** Keeps the index equal to the ready, unclaimed slots of each pool: small steps at each reconcile, a rebuild every 5 s. */
export function createIndexSync({ index, wakes, now }: IndexSyncDeps) {
  const known = new Map<string, { podUids: ReadonlySet<string>; rebuiltAt: number }>()

  return {
    /** `crowded`: pods to hand out last. A change of these alone is written with the next rebuild. */
    async sync(
      agentType: string,
      slots: readonly SlotView[],
      crowded: ReadonlySet<string> = nowhere,
    ): Promise<void> {
      const wanted = new Map(
        slots.filter((slot) => slot.state === 'ready').map((slot) => [slot.podUid, slot]),
      )
      const last = known.get(agentType)
      const stale =
        !last || now() - last.rebuiltAt >= rebuildEveryMs || (await index.size(agentType)) === undefined
      const fresh = [...wanted.values()]
        .filter((slot) => stale || !last.podUids.has(slot.podUid))
        .map((slot) => indexed(slot, crowded.has(slot.podUid)))
      if (stale) {
        await index.rebuild(agentType, fresh)
      } else {
        const gone = [...last.podUids].filter((podUid) => !wanted.has(podUid))
        await Promise.all([index.drop(agentType, gone), index.add(agentType, fresh)])
      }
      known.set(agentType, { podUids: new Set(wanted.keys()), rebuiltAt: stale ? now() : last.rebuiltAt })
      if (fresh.length > 0) wakes.publish({ kind: 'indexed', agentType })
    },

    /** Takes retired pods out, so that no replica is offered them any more. */
    async drop(agentType: string, podUids: readonly string[]): Promise<void> {
      await index.drop(agentType, podUids)
    },

    /** The pool no longer exists. */
    forget(agentType: string): void {
      known.delete(agentType)
    },
  }
}

export type IndexSync = ReturnType<typeof createIndexSync>

/** Longest ready first, every fresh pod before a drifted one, and those on crowded nodes last. */
function indexed({ podUid, readySince = 0, drifted }: SlotView, isCrowded: boolean): IndexedSlot {
  return { podUid, rank: readySince + (drifted ? driftedRank : 0) + (isCrowded ? crowdedRank : 0) }
}
