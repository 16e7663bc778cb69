import type { AgentDelivery, PodView, PodWriter } from '../domain/cluster-ports.ts'
import type { WakeBus } from '../domain/index-ports.ts'
import { endReason, type Session } from '../domain/session.ts'
import type { ClaimLedger } from '../domain/session-ports.ts'
import type { Logger } from '../logging.ts'
import type { Metrics } from '../metrics.ts'
import type { RecentWrites } from './recent-writes.ts'

interface SessionReconcilerDeps {
  readonly ledger: ClaimLedger
  readonly pods: PodView
  readonly writer: PodWriter
  readonly delivery: AgentDelivery
  readonly wakes: WakeBus
  readonly recentWrites: RecentWrites
  readonly metrics: Metrics
  readonly logger: Logger
  readonly monotonicMs: () => number
}

/** The grace period of every agent pod (30 s), and 15 s for a slow kubelet. Then the session is ENDED anyway. */
export const endDeadlineMs = 45_000

/** What is remembered of an ending session. All of it can be lost, as it is when another process begins to lead. */
interface Ending {
  /** When this process first saw it ENDING. PostgreSQL's clock and this one are not compared. */
  readonly since: number
  podUid?: string
  /** The agent was told. Once is enough, because the deletion's SIGTERM tells it again. */
  told: boolean
}

/** ENDING → /end to the agent → graceful deletion → ENDED when the pod is gone. Every step may be repeated. */
export function createSessionReconciler(deps: SessionReconcilerDeps) {
  const { ledger, pods, writer, delivery, wakes, recentWrites, metrics, logger, monotonicMs } = deps
  const endings = new Map<string, Ending>()
  /** Session ids by pod, so that the end of a pod reconciles its session at once. */
  const endingByPod = new Map<string, string>()

  function remember(sessionId: string, podUid: string): Ending {
    const ending = endings.get(sessionId) ?? { since: monotonicMs(), told: false }
    ending.podUid = podUid
    endings.set(sessionId, ending)
    endingByPod.set(podUid, sessionId)
    return ending
  }

  function forget(sessionId: string): void {
    const podUid = endings.get(sessionId)?.podUid
    if (podUid !== undefined) endingByPod.delete(podUid)
    endings.delete(sessionId)
  }

  /** Resolves with the time after which to look again, ms; undefined when nothing is left to do. */
  async function reconcile(sessionId: string): Promise<number | undefined> {
    const session = await ledger.get(sessionId)
    if (session?.status !== 'ENDING') {
      forget(sessionId)
      return undefined
    }
    const { pod: ref } = session
    if (!ref) {
      // A cold open that ended before it got a pod: no agent to tell, no pod to delete.
      await finish(session, false)
      return undefined
    }
    const ending = remember(sessionId, ref.uid)
    const leftMs = ending.since + endDeadlineMs - monotonicMs()
    const pod = pods.get(ref.uid)
    if (leftMs <= 0 || (!pod && !(await writer.exists(ref)))) {
      await finish(session, leftMs <= 0)
      return undefined
    }
    if (pod?.deletingSince === undefined) {
      const listens = pod && pod.deadReason === undefined && pod.unreachableSince === undefined
      if (listens && !ending.told) {
        ending.told = true
        await tell(session, { ...ref, assignKeyIds: pod.assignKeyIds })
      }
      await recentWrites.once(`delete ${ref.uid}`, () => writer.delete(ref))
    }
    return Math.max(100, leftMs)
  }

  async function tell(session: Session, pod: Parameters<AgentDelivery['end']>[0]): Promise<void> {
    const reason = session.endReason ?? endReason.caller
    const outcome = await delivery.end(pod, { sessionId: session.id, epoch: session.epoch, reason })
    if (outcome.kind !== 'accepted') {
      logger.info(
        { sessionId: session.id, outcome: outcome.kind, reason: outcome.reason },
        'agent did not accept the end of its session',
      )
    }
  }

  async function finish(session: Session, overdue: boolean): Promise<void> {
    await ledger.finishEnding([session.id])
    forget(session.id)
    metrics.sessionsEnded.inc({ reason: session.endReason ?? 'unknown' })
    wakes.publish({ kind: 'ended', sessionId: session.id })
    if (overdue)
      logger.error({ sessionId: session.id, pod: session.pod?.name }, 'session ended, but its pod remains')
  }

  return {
    reconcile,

    /** The session that waits for this pod to go, if any. */
    endingOn: (podUid: string): string | undefined => endingByPod.get(podUid),

    /**
     * Sessions in ENDING, oldest first, at most `limit`. Forgets all others, because another process may have finished
     * them.
     */
    async ending(limit: number): Promise<readonly string[]> {
      const before = monotonicMs()
      const listed = new Set((await ledger.ending(limit)).map(({ id }) => id))
      if (listed.size < limit) {
        // A session that began to end while the list was read is not in it; it stays.
        for (const [id, { since }] of endings) if (since < before && !listed.has(id)) forget(id)
      }
      return [...listed]
    },

    /** How many sessions are remembered. */
    remembered: (): number => endings.size,

    /** A new leadership begins. What this process saw in an earlier one may be over, and its times are. */
    begin(): void {
      endings.clear()
      endingByPod.clear()
    },
  }
}

export type SessionReconciler = ReturnType<typeof createSessionReconciler>
