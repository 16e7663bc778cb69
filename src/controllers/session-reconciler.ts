import type { AgentDelivery, ClaimLedger, PodView, PodWriter, WakeBus } from '../domain/ports.ts'
import { endReason, type Session } from '../domain/session.ts'
import type { Logger } from '../logging.ts'
import type { Metrics } from '../metrics.ts'
import type { RecentWrites } from './recent-writes.ts'

export interface SessionReconcilerDeps {
  readonly ledger: ClaimLedger
  readonly pods: PodView
  readonly writer: PodWriter
  readonly delivery: AgentDelivery
  readonly wakes: WakeBus
  readonly recentWrites: RecentWrites
  readonly metrics: Metrics
  readonly logger: Logger
  /** Epoch ms. */
  readonly now: () => number
}

/** Grace period of every agent pod (30 s) and 15 s for a kubelet that is slow to say so: then it is ENDED anyway. */
export const endDeadlineMs = 45_000

/** ENDING → /end to the agent → graceful deletion → ENDED when the pod is gone. Every step may be repeated. */
export function createSessionReconciler(deps: SessionReconcilerDeps) {
  const { ledger, pods, writer, delivery, wakes, recentWrites, metrics, logger, now } = deps
  /** Sessions on their way out by pod, so that a pod's end is told to its session at once. */
  const endingByPod = new Map<string, string>()
  /** Agents that have been told; once is enough, and the deletion's SIGTERM says it again. */
  const told = new Set<string>()

  /** Resolves with the time after which to look again, ms; undefined when the session is done with. */
  async function reconcile(sessionId: string): Promise<number | undefined> {
    const session = await ledger.get(sessionId)
    if (session?.status !== 'ENDING') {
      told.delete(sessionId)
      return undefined
    }
    const { pod: ref } = session
    if (!ref) {
      // A cold open that was ended before it got a pod: there is nobody to tell and nothing to take away.
      await finish(session, false)
      return undefined
    }
    endingByPod.set(ref.uid, sessionId)
    const overdue = now() >= (session.endingAt ?? now()) + endDeadlineMs
    const pod = pods.get(ref.uid)
    if (overdue || (!pod && !(await writer.exists(ref)))) {
      await finish(session, overdue)
      return undefined
    }
    if (pod?.deletingSince === undefined) {
      if (pod && pod.deadReason === undefined) await tell(session, { ...ref, assignKeyIds: pod.assignKeyIds })
      await recentWrites.once(`delete ${ref.uid}`, () => writer.delete(ref))
    }
    return Math.max(100, (session.endingAt ?? now()) + endDeadlineMs - now())
  }

  async function tell(session: Session, pod: Parameters<AgentDelivery['end']>[0]): Promise<void> {
    if (told.has(session.id)) return
    told.add(session.id)
    const reason = session.endReason ?? endReason.caller
    const outcome = await delivery.end(pod, { sessionId: session.id, epoch: session.epoch, reason })
    if (outcome.kind !== 'accepted') {
      logger.info(
        { sessionId: session.id, outcome: outcome.kind, reason: outcome.reason },
        'agent was not told of the end',
      )
    }
  }

  async function finish(session: Session, overdue: boolean): Promise<void> {
    await ledger.finishEnding([session.id])
    if (session.pod) endingByPod.delete(session.pod.uid)
    told.delete(session.id)
    metrics.sessionsEnded.inc({ reason: session.endReason ?? 'unknown' })
    wakes.publish({ kind: 'ended', sessionId: session.id })
    if (overdue)
      logger.error(
        { sessionId: session.id, pod: session.pod?.name },
        'session ended although its pod remains',
      )
  }

  return {
    reconcile,

    /** The session that waits for this pod to go, if there is one. */
    endingOn: (podUid: string): string | undefined => endingByPod.get(podUid),

    /** A pod vanished from the informer: its session ends, once a fresh read confirms it. Returns the ids that end. */
    async podVanished(pod: { uid: string; name: string }): Promise<readonly string[]> {
      if (await writer.exists(pod)) return []
      const ended = await ledger.endOnPods([{ podUid: pod.uid, reason: endReason.podDeleted }])
      return ended.map((session) => session.id)
    },

    /** Live sessions whose pod this informer does not show: a missed event, or a controller that was away. */
    async vanishedPods(): Promise<readonly { uid: string; name: string }[]> {
      const live = await ledger.liveSessions()
      return live.flatMap(({ pod }) =>
        pod && pods.get(pod.uid) === undefined ? [{ uid: pod.uid, name: pod.name }] : [],
      )
    },
  }
}

export type SessionReconciler = ReturnType<typeof createSessionReconciler>
