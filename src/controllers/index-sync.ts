import type { SlotView } from '../domain/pool-observation.ts'
import type { IndexedSlot, SlotIndex, WakeBus } from '../domain/ports.ts'

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

/** Keeps the index equal to the ready, unclaimed slots of each pool: small steps at each reconcile, a rebuild every 5 s. */
export function createIndexSync({ index, wakes, now }: IndexSyncDeps) {
  const known = new Map<string, { podUids: ReadonlySet<string>; rebuiltAt: number }>()

  return {
    async sync(agentType: string, slots: readonly SlotView[]): Promise<void> {
      const wanted = new Map(
        slots.filter((slot) => slot.state === 'ready').map((slot) => [slot.podUid, slot]),
      )
      const last = known.get(agentType)
      const stale =
        !last || now() - last.rebuiltAt >= rebuildEveryMs || (await index.size(agentType)) === undefined
      const fresh = [...wanted.values()]
        .filter((slot) => stale || !last.podUids.has(slot.podUid))
        .map(indexed)
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

/** Longest ready first, and every fresh pod before a drifted one. */
function indexed(slot: SlotView): IndexedSlot {
  return { podUid: slot.podUid, rank: (slot.readySince ?? 0) + (slot.drifted ? driftedRank : 0) }
}
