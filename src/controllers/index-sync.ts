import type { IndexedSlot, IndexLook, SlotIndex, WakeBus } from '../domain/index-ports.ts'
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

interface Synced {
  readonly podUids: ReadonlySet<string>
  readonly rebuiltAt: number
}

interface SyncOptions {
  /** Asked before the claims of `slots` were read; undefined without Redis. */
  readonly look: IndexLook | undefined
  /** Pods to hand out last. A change of these alone is written with the next rebuild. */
  readonly crowded?: ReadonlySet<string>
}

/** Keeps the index equal to the ready, unclaimed slots of each pool: small steps at each reconcile, a rebuild every 5 s. */
export function createIndexSync({ index, wakes, now }: IndexSyncDeps) {
  const known = new Map<string, Synced>()

  /** What was written last, if small steps from there are enough. */
  function recent(agentType: string, look: IndexLook | undefined): Synced | undefined {
    const last = known.get(agentType)
    return look?.isBuilt && last && now() - last.rebuiltAt < rebuildEveryMs ? last : undefined
  }

  return {
    /** To be asked before what is claimed is read. */
    look: (agentType: string): Promise<IndexLook | undefined> => index.look(agentType),

    async sync(
      agentType: string,
      slots: readonly SlotView[],
      { look, crowded = nowhere }: SyncOptions,
    ): Promise<void> {
      const ready = slots.filter((slot) => slot.state === 'ready')
      const podUids = new Set(ready.map(({ podUid }) => podUid))
      const before = known.get(agentType)?.podUids
      const fresh = ready.filter(({ podUid }) => !before?.has(podUid))
      const ranked = (some: readonly SlotView[]) =>
        some.map((slot) => rankedSlot(slot, crowded.has(slot.podUid)))
      const asOf = look?.at ?? 0
      const last = recent(agentType, look)
      let isWhole: boolean
      if (last) {
        const gone = [...last.podUids].filter((podUid) => !podUids.has(podUid))
        const [, isAdded] = await Promise.all([
          index.drop(agentType, gone),
          index.add(agentType, ranked(fresh), asOf),
        ])
        isWhole = isAdded
      } else {
        isWhole = await index.rebuild(agentType, ranked(ready), asOf)
      }
      // What did not reach Redis is written by the next look, which rebuilds.
      if (isWhole) known.set(agentType, { podUids, rebuiltAt: last?.rebuiltAt ?? now() })
      else known.delete(agentType)
      if (fresh.length > 0 || !look?.isBuilt) wakes.publish({ kind: 'indexed', agentType })
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
function rankedSlot({ podUid, readySince = 0, drifted }: SlotView, isCrowded: boolean): IndexedSlot {
  return { podUid, rank: readySince + (drifted ? driftedRank : 0) + (isCrowded ? crowdedRank : 0) }
}
