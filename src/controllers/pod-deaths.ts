import { endOfSessionOn } from '../domain/agent-pod.ts'
import type { ClaimLedger, PodView, PodWriter } from '../domain/ports.ts'
import { type EndReason, endReason } from '../domain/session.ts'
import type { Logger } from '../logging.ts'
import type { PendingGrace } from './pending-grace.ts'

interface PodDeathsDeps {
  readonly ledger: ClaimLedger
  readonly writer: PodWriter
  readonly grace: PendingGrace
  /** Sessions that entered ENDING here: whoever takes their pods away should know at once. */
  readonly onEnding: (sessionIds: readonly string[]) => void
  readonly logger: Logger
}

type PodChange = Parameters<Parameters<PodView['onChange']>[0]>[0]

/** A live session on a pod that cannot serve it any more. */
interface SessionDeath {
  readonly podUid: string
  readonly reason: EndReason
  readonly status: string | undefined
}

/** Ends of pods that a watch told of within this number count as evidence; as many as a large cluster loses at once. */
const maxEvidence = 10_000

/**
 * Ends sessions whose pod is dead by evidence: its own state says so, or an event told that it was deleted. Nothing is
 * capped here, so a whole node may go. Pods that are merely missing are {@link createVanishedPods}'s.
 */
export function createPodDeaths({ ledger, writer, grace, onEnding, logger }: PodDeathsDeps) {
  /** Pods that were deleted, and why, as events told; known in processes that do not lead too, for they may lead next. */
  const evidence = new Map<string, EndReason>()
  /** The death that each pod was queued for, so that its further events are not. */
  const queued = new Map<string, EndReason>()

  async function end(deaths: readonly SessionDeath[]): Promise<void> {
    const due = deaths.filter(
      ({ podUid, status }) =>
        status === 'ACTIVE' || (status === 'PENDING' && grace.remainingMs(podUid) === 0),
    )
    if (due.length === 0) return
    const ended = await ledger.endOnPods(due.map(({ podUid, reason }) => ({ podUid, reason })))
    for (const session of ended)
      logger.warn(
        { agentType: session.agentType, sessionId: session.id, reason: session.endReason },
        'pod died',
      )
    onEnding(ended.map((session) => session.id))
  }

  return {
    /** Sessions on pods that are there and dead, found by looking. */
    end,

    /** To be told of every change, in every process. */
    note({ pod, gone, absent }: PodChange): void {
      if (!gone || absent) return
      evidence.set(pod.uid, endOfSessionOn(pod) ?? endReason.podDeleted)
      const [oldest] = evidence.keys()
      if (evidence.size > maxEvidence && oldest !== undefined) evidence.delete(oldest)
    },

    /** Why this pod is known to be gone, though nobody may look it up any more. */
    evidenceOf: (podUid: string): EndReason | undefined => evidence.get(podUid),

    /** What to queue for {@link reconcile} because of this change; undefined if it is no news of a death. */
    keyOf({ pod, gone, absent }: PodChange): string | undefined {
      const before = queued.get(pod.uid)
      if (gone) queued.delete(pod.uid)
      if (gone && absent) return undefined
      const reason = endOfSessionOn(pod) ?? (gone ? endReason.podDeleted : undefined)
      if (reason === undefined || (!gone && before === reason)) return undefined
      if (!gone) queued.set(pod.uid, reason)
      // The key holds all there is to know: what is gone can be looked up nowhere.
      return [gone ? 'gone' : 'there', reason, pod.name, pod.uid].join('/')
    },

    /** Ends the session on this pod. Resolves with the time after which to look again, ms. */
    async reconcile(key: string): Promise<number | undefined> {
      const [where, reason, name = '', podUid = ''] = key.split('/')
      const claim = (await ledger.claimsOf([podUid])).get(podUid)
      const status = claim?.sessionStatus
      if (status !== 'ACTIVE' && status !== 'PENDING') return undefined
      const waitMs = status === 'PENDING' ? grace.remainingMs(podUid) : 0
      if (waitMs > 0) return waitMs
      // A pod that somebody took the pool's label from leaves the watch as a deleted one does.
      if (where === 'gone' && (await writer.exists({ uid: podUid, name }))) return undefined
      await end([{ podUid, reason: reason as EndReason, status }])
      return undefined
    },

    /** A new leadership: what the last one queued was its own. */
    begin(): void {
      queued.clear()
    },
  }
}

export type PodDeaths = ReturnType<typeof createPodDeaths>
