import type { DocumentView, PodView } from '../domain/cluster-ports.ts'
import type { WakeBus } from '../domain/index-ports.ts'
import type { PoolsDocument } from '../domain/pool.ts'
import { endReason, type Session } from '../domain/session.ts'
import type { SessionStore } from '../domain/session-ports.ts'
import { traceIdOf } from '../domain/trace-context.ts'
import type { Logger } from '../logging.ts'
import { continued } from '../tracing/spans.ts'
import type { AwaitSession } from './await-session.ts'
import type { Prior } from './commit-slot.ts'
import type { CompleteColdOpen } from './complete-cold-open.ts'
import type { EmptyPoolError } from './empty-pool.ts'
import type { Attempted, OpenAttempts } from './open-attempts.ts'
import { deliveryFailed } from './open-failure.ts'
import { noteEarlierArrival, openDeadlineMs } from './open-progress.ts'
import { coldRecordOf } from './open-record.ts'
import { newOpening, type Opening, requestOf } from './opening.ts'
import type { ProjectGate } from './project-gate.ts'

interface ColdOpensDeps {
  readonly attempts: OpenAttempts
  readonly completeColdOpen: CompleteColdOpen
  readonly awaitSession: AwaitSession
  readonly sessions: SessionStore
  readonly pools: DocumentView<PoolsDocument>
  readonly pods: Pick<PodView, 'synced'>
  readonly wakes: WakeBus
  readonly emptyPool: EmptyPoolError
  readonly gate: Pick<ProjectGate, 'full'>
  /** Name of this replica, as in ReplicaLiveness. */
  readonly replica: string
  /** Aborted when this replica drains: other replicas go on with what it holds. */
  readonly draining: AbortSignal
  readonly logger: Logger
  /** Monotonic milliseconds. */
  readonly now: () => number
}

/** Cold opens taken over in one look. The rest is left to other replicas and to the next look. */
const adoptedAtOnce = 20

/**
 * A cold open is a PENDING session without a pod; the pool makes one more pod for it. The replica that wrote the row
 * holds the session and waits for the pod in the common queue. It does so in one of these modes:
 *
 * - answered: the caller had 202 at once, and the replica goes on behind the answer;
 * - held: the request brought secrets, which no row keeps, so the request stays open until the session is ACTIVE;
 * - adopted: the holder has been silent for too long, and another replica goes on (one without the secrets cannot, and
 *   fails the session);
 * - handed over: the holder drains, and releases the row for adoption at once.
 */
export function createColdOpens(deps: ColdOpensDeps) {
  const { attempts, completeColdOpen, sessions, pools, pods, wakes, replica, draining, logger, now } = deps
  const { emptyPool, gate } = deps
  /** What goes on here behind the answers. */
  const underWay = new Set<Promise<void>>()

  /** Writes the session; throws GRN_POOL_EMPTY when as many as may wait do so already. */
  async function write(opening: Opening, prior: Prior): Promise<Attempted> {
    const { spec, request } = opening
    const outcome = await sessions.openCold(
      coldRecordOf(opening, {
        epoch: (prior.session?.epoch ?? 0) + 1,
        heldByReplica: replica,
        pendingMs: spec.coldStart.deadlineSeconds * 1_000 + 2 * openDeadlineMs,
      }),
    )
    if (outcome.kind === 'full') {
      const message = `${spec.coldStart.max} sessions wait for a pod of ${request.agentType} already.`
      throw await emptyPool({ agentType: request.agentType, sentence: message, retryAfterMs: 5_000 })
    }
    if (outcome.kind === 'project-full') throw gate.full(request.projectId)
    if (outcome.kind === 'session-exists') return { kind: 'exists', session: outcome.session }
    // The controller counts the sessions that wait and makes a pod for each.
    wakes.publish({ kind: 'claimed', agentType: request.agentType })
    return { kind: 'claimed', session: outcome.session }
  }

  /** Nobody can hang up on a cold open behind its answer. Only the drain of this replica stops its waiting. */
  function behindTheAnswer(opening: Opening, session: Session, work: () => Promise<unknown>): void {
    const done = work()
      .then(() => undefined)
      .catch((error: unknown) => {
        const details = { err: error, sessionId: session.id, agentType: opening.request.agentType }
        if (draining.aborted) logger.info(details, 'cold open is handed over')
        else logger.warn(details, 'cold open failed')
      })
    underWay.add(done)
    void done.finally(() => underWay.delete(done))
  }

  function inBackground(opening: Opening): Opening {
    const { context } = opening
    const ofTrace = context.trace ? logger.child({ traceId: traceIdOf(context.trace) }) : logger
    return {
      ...opening,
      context: { ...context, logger: ofTrace, signal: draining, handsOver: () => draining.aborted },
    }
  }

  async function resume(session: Session): Promise<void> {
    const spec = pools.current()?.pools[session.agentType]
    const prior: Prior = { kind: 'undelivered', session, reason: 'its replica was lost' }
    if (!spec || !session.adoptable) {
      await sessions.failOpen(session, endReason.abandoned, { kind: 'retire', reason: prior.reason })
      return
    }
    const identity = { id: session.id, fingerprint: session.fingerprint }
    const trace = session.traceparent === undefined ? undefined : { traceparent: session.traceparent }
    const context = { idempotencyKey: undefined, signal: draining, logger, trace }
    const opening = inBackground(
      newOpening({ request: requestOf(session), context, spec, identity, now: now() }),
    )
    noteEarlierArrival(opening.progress)
    logger.info({ sessionId: session.id }, 'cold open is taken over')
    const goOn = async (): Promise<void> => {
      const delivered = session.pod && (await attempts.redeliver(opening, session))
      if (delivered) wakes.publish({ kind: 'activated', sessionId: session.id })
      else await completeColdOpen(opening, session, prior)
    }
    behindTheAnswer(opening, session, () => continued('adopt', trace, goOn))
  }

  return {
    /** Resolves with the session: PENDING when the caller is answered at once, ACTIVE when its request was held. */
    async begin(opening: Opening, prior: Prior): Promise<Attempted> {
      const written = await write(opening, prior)
      if (written.kind === 'exists') return written
      const { session } = written
      if (opening.request.secrets !== undefined)
        return { kind: 'claimed', session: await completeColdOpen(opening, session, neverDelivered(session)) }
      const background = inBackground(opening)
      behindTheAnswer(background, session, () =>
        completeColdOpen(background, session, neverDelivered(session)),
      )
      return written
    },

    /**
     * What a retry of a cold open is answered. Without secrets it is the PENDING session. With secrets the retry is held
     * as its first request was; if the holder of that one was lost, the retry goes on with the session itself.
     */
    async follow(opening: Opening, session: Session): Promise<Session> {
      if (opening.request.secrets === undefined) return session
      const [orphan] = await sessions.adopt(replica, { limit: 1, id: session.id })
      if (orphan) return completeColdOpen(opening, orphan, neverDelivered(orphan))
      const settled = await deps.awaitSession(session.id, {
        until: ({ status }) => status !== 'PENDING',
        waitMs: opening.spec.coldStart.deadlineSeconds * 1_000,
        signal: opening.context.signal,
      })
      if (settled?.status !== 'ACTIVE') throw deliveryFailed()
      return settled
    },

    /** Goes on with what lost replicas held. */
    async adoptOrphans(): Promise<void> {
      // A replica that has just started knows no pool and no pod: it would fail sessions that others can serve.
      if (draining.aborted || !pods.synced() || pools.current() === undefined) return
      for (const session of await sessions.adopt(replica, { limit: adoptedAtOnce })) await resume(session)
    },

    /** When draining: waits until nothing runs here, then lets other replicas take over at once. */
    async handOver(): Promise<void> {
      await Promise.allSettled(underWay)
      await sessions.releaseHeld(replica)
    },
  }
}

export type ColdOpens = ReturnType<typeof createColdOpens>

function neverDelivered(session: Session): Prior {
  return { kind: 'undelivered', session, reason: 'never delivered' }
}
