import { endOfSessionOn } from '../domain/agent-pod.ts'
import type { PodView, PodWriter } from '../domain/cluster-ports.ts'
import { type EndReason, endReason } from '../domain/session.ts'
import type { ClaimLedger } from '../domain/session-ports.ts'
import type { Logger } from '../logging.ts'
import type { PendingGrace } from './pending-grace.ts'

interface PodDeathsDeps {
  readonly ledger: ClaimLedger
  readonly writer: PodWriter
  readonly grace: PendingGrace
  /** Is told which sessions entered ENDING here, so that their pods are taken away at once. */
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

/** What is known of a dead pod that was queued; the queue itself carries its UID only. */
interface DeadPod {
  readonly name: string
  readonly reason: EndReason
  /** Its last event said that it is deleted: it can be looked up nowhere any more. */
  readonly gone: boolean
}

/** How many deletions are remembered as evidence: as many as a large cluster loses at once. */
const maxEvidence = 10_000

/**
 * Ends sessions whose pod is dead by evidence: its own state says so, or an event told that it was deleted. Nothing is
 * capped here, so a whole node may go. Pods that are merely missing are {@link createVanishedPods}'s.
 */
export function createPodDeaths({ ledger, writer, grace, onEnding, logger }: PodDeathsDeps) {
  /** Pods that were deleted, and why, as events told. Followers keep it too, because they may lead next. */
  const evidence = new Map<string, EndReason>()
  /** By UID. A pod that still exists stays until it is gone, so that its further events do not queue it again. */
  const dead = new Map<string, DeadPod>()

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

  /** Resolves with the time after which to look again, ms; undefined when this pod needs no further look. */
  async function endSessionOn(podUid: string, { name, reason, gone }: DeadPod): Promise<number | undefined> {
    const claim = (await ledger.claimsOf([podUid])).get(podUid)
    const status = claim?.sessionStatus
    if (status !== 'ACTIVE' && status !== 'PENDING') return undefined
    const waitMs = status === 'PENDING' ? grace.remainingMs(podUid) : 0
    if (waitMs > 0) return waitMs
    // A pod that lost the pool's label leaves the watch just as a deleted one does.
    if (gone && (await writer.exists({ uid: podUid, name }))) return undefined
    await end([{ podUid, reason, status }])
    return undefined
  }

  return {
    /** Ends sessions on pods that a look found dead. */
    end,

    /** Takes every change, in every process. */
    note({ pod, gone, absent }: PodChange): void {
      if (!gone || absent) return
      evidence.set(pod.uid, endOfSessionOn(pod) ?? endReason.podDeleted)
      const [oldest] = evidence.keys()
      if (evidence.size > maxEvidence && oldest !== undefined) evidence.delete(oldest)
    },

    /** Why this pod is known to be gone, although it can be looked up nowhere any more. */
    evidenceOf: (podUid: string): EndReason | undefined => evidence.get(podUid),

    /** The UID to queue for {@link reconcile} because of this change; undefined if it tells of no new death. */
    deathIn({ pod, gone, absent }: PodChange): string | undefined {
      const before = dead.get(pod.uid)
      if (gone) dead.delete(pod.uid)
      if (gone && absent) return undefined
      const reason = endOfSessionOn(pod) ?? (gone ? endReason.podDeleted : undefined)
      if (reason === undefined || (!gone && before?.reason === reason)) return undefined
      dead.set(pod.uid, { name: pod.name, reason, gone })
      return pod.uid
    },

    /** Ends the session on this pod. Resolves with the time after which to look again, ms. */
    async reconcile(podUid: string): Promise<number | undefined> {
      const pod = dead.get(podUid)
      if (!pod) return undefined
      const againMs = await endSessionOn(podUid, pod)
      // No further event will come. If one came meanwhile, it left a new record and a new turn in the queue.
      if (againMs === undefined && pod.gone && dead.get(podUid) === pod) dead.delete(podUid)
      return againMs
    },

    /** A new leadership begins. The queue of the last one is gone, so its records mean nothing. */
    begin(): void {
      dead.clear()
    },
  }
}

export type PodDeaths = ReturnType<typeof createPodDeaths>
