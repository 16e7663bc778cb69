import type { AgentDelivery, Confirmation, PodView } from '../domain/cluster-ports.ts'
import type { WakeBus } from '../domain/index-ports.ts'
import { endReason, mayBeTold, type Session } from '../domain/session.ts'
import type { SessionStore, UnsettledSession } from '../domain/session-ports.ts'
import type { Logger } from '../logging.ts'
import type { Metrics } from '../metrics.ts'
import { pause } from '../timing/pause.ts'
import type { ActivationsBehind } from './activations-behind.ts'

interface SettleSessionsDeps {
  readonly sessions: Pick<SessionStore, 'get' | 'activate' | 'failOpen' | 'unsettled'>
  readonly behind: Pick<ActivationsBehind, 'has' | 'wait'>
  readonly delivery: Pick<AgentDelivery, 'confirm'>
  readonly pods: Pick<PodView, 'get' | 'synced'>
  readonly wakes: Pick<WakeBus, 'publish'>
  readonly metrics: Pick<Metrics, 'podsAsked'>
  readonly logger: Logger
  /** Monotonic milliseconds. */
  readonly now: () => number
}

/** An activation is done a few milliseconds after its answer. */
const activationMs = 25
/** The most that a read waits for a session whose pod does not answer. */
const readWaitMs = 1_500
const lookAgainMs = 100

/** By then an activation that still runs behind its answer is late, so the sweep asks the pod. */
const askAfterMs = 2_000
/** By then the open is over (5 s and its last delivery). A pod that has not heard of the session shall not any more. */
const sealAfterMs = 8_000
/** In one sweep of one replica. */
const mostAtOnce = 200

/**
 * A PENDING session of which the caller may have been told (`mayBeTold`) is in one of these modes:
 *
 * - fresh: its open is under way, or its activation is, here or in another replica;
 * - held: its pod says that it serves it, so whoever has asked activates it, any number at a time;
 * - denied: its pod has not taken it, so nobody was told. Sealed, it never will, and the open has failed;
 * - unknown: its pod cannot be asked. It is asked again until it answers, is found dead, or the lease lapses. Its key
 *   stays used, because its caller may have been told.
 */
export function createSettleSessions(deps: SettleSessionsDeps) {
  const { sessions, behind, delivery, pods, wakes, metrics, logger, now } = deps

  async function ask({ id, epoch, pod: ref }: Session, seal: boolean): Promise<Confirmation> {
    const pod = ref && pods.get(ref.uid)
    if (!ref || !pod) return { kind: 'unknown', reason: 'the pod is not seen here' }
    const recipient = { ...ref, assignKeyIds: pod.assignKeyIds }
    return delivery.confirm(recipient, { sessionId: id, epoch, seal })
  }

  /** The row as it is now; `session` is how it was read, perhaps without its metadata. */
  async function again(session: Session): Promise<Session> {
    const present = await sessions.get(session.id)
    return present ? { ...present, metadata: session.metadata } : session
  }

  /**
   * The session as its caller may know it already. One of which nobody can have been told is returned as it is, at once. A
   * denial was given after this read began, so nobody had been told by then.
   */
  async function settled(session: Session): Promise<Session> {
    if (!mayBeTold(session)) return session
    const until = now() + readWaitMs
    if (!(await behind.wait(session.id))) await pause(activationMs)
    for (let asked: Confirmation | undefined; ; ) {
      const present = await again(session)
      if (!mayBeTold(present) || asked?.kind === 'denied' || now() >= until) return present
      asked = await ask(present, false)
      if (asked.kind === 'held') await sessions.activate(present.id, present.epoch)
      else if (asked.kind === 'unknown') await pause(lookAgainMs)
    }
  }

  async function settle({ session, ageMs }: UnsettledSession): Promise<void> {
    const { id: sessionId, epoch, agentType } = session
    if (behind.has(sessionId)) return
    const seal = ageMs >= sealAfterMs
    const answer = await ask(session, seal)
    metrics.podsAsked.inc({ answer: answer.kind })
    if (answer.kind === 'held' && (await sessions.activate(sessionId, epoch))) {
      wakes.publish({ kind: 'activated', sessionId })
      logger.info({ sessionId }, 'its pod serves a session that was left PENDING: it is ACTIVE')
    }
    if (answer.kind !== 'denied' || !seal) return
    const fate = { kind: 'retire', reason: 'the open was lost before the pod took the session' } as const
    if (!(await sessions.failOpen(session, endReason.abandoned, fate))) return
    // The controller takes the pod away and makes another.
    wakes.publish({ kind: 'claimed', agentType })
    logger.info({ sessionId }, 'no pod took a session that was left PENDING: its open has failed')
  }

  return {
    settled,

    /** To be called every second: settles what opens that were lost have left behind, of all replicas. */
    async sweep(): Promise<void> {
      // A replica that has just started sees no pod and could ask none.
      if (!pods.synced()) return
      const found = await sessions.unsettled({ olderThanMs: askAfterMs, limit: mostAtOnce })
      const outcomes = await Promise.allSettled(found.map(settle))
      const failed = outcomes.find((outcome) => outcome.status === 'rejected')
      // It is PostgreSQL that failed, and so alike for all of them. The next sweep finds them again.
      if (failed) throw failed.reason
    },

    /** Before a list by status: what may have been told stands in its right place. */
    async settleFresh(): Promise<void> {
      const [some] = await sessions.unsettled({ olderThanMs: 0, limit: 1 })
      if (!some) return
      // While opens come all the time there is always one; those that are still here after this time are few.
      await pause(activationMs)
      const late = await sessions.unsettled({ olderThanMs: activationMs, limit: mostAtOnce })
      await Promise.all(late.map(({ session }) => settled(session)))
    },
  }
}

export type SettleSessions = ReturnType<typeof createSettleSessions>
