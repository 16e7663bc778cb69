import type { PoolsDocument } from '../domain/pool.ts'
import type { DocumentView, PodView, SessionStore, WakeBus } from '../domain/ports.ts'
import { endReason, type Session } from '../domain/session.ts'
import { GreenroomError } from '../errors.ts'
import type { Logger } from '../logging.ts'
import type { AwaitSession } from './await-session.ts'
import { coldRecordOf, type Prior } from './commit-slot.ts'
import type { OpenAttempts } from './open-attempts.ts'
import { deliveryFailed, newOpening, type Opening, openDeadlineMs, requestOf } from './opening.ts'

interface ColdOpensDeps {
  readonly attempts: OpenAttempts
  readonly awaitSession: AwaitSession
  readonly sessions: SessionStore
  readonly pools: DocumentView<PoolsDocument>
  readonly pods: Pick<PodView, 'synced'>
  readonly wakes: WakeBus
  /** Name of this replica, as in ReplicaLiveness. */
  readonly replica: string
  /** Aborted when this replica drains: what it sees to goes to the others. */
  readonly draining: AbortSignal
  readonly logger: Logger
  readonly now: () => number
}

/** Beyond any deadline of a cold start: the watch ends with the open. */
const longestMs = 2 * 3_600_000

/** Cold opens taken over at a look: the rest is for the other replicas, or the next look. */
const adoptedAtOnce = 20

export type ColdStart =
  | { readonly kind: 'written'; readonly session: Session }
  | { readonly kind: 'exists'; readonly session: Session }

/**
 * Opens on an empty pool that do not hold the caller up: a PENDING session without a pod, for which the pool makes one
 * more. The replica that wrote it waits for the pod in the common queue; when it dies, another one goes on.
 */
export function createColdOpens(deps: ColdOpensDeps) {
  const { attempts, sessions, pools, pods, wakes, replica, draining, logger, now } = deps
  const underWay = new Set<Promise<void>>()

  /** Waits for a pod and delivers, whoever holds the request meanwhile. */
  async function complete(opening: Opening, session: Session, prior: Prior): Promise<Session> {
    opening.waitUntil = now() + opening.spec.coldStart.deadlineSeconds * 1_000
    opening.deadline = opening.waitUntil + openDeadlineMs
    const overtaken = new AbortController()
    const signal = AbortSignal.any([opening.context.signal, overtaken.signal])
    const run = attempts.run({ ...opening, onEmpty: 'wait', context: { ...opening.context, signal } }, prior)
    const done = new AbortController()
    const settled = watch(session, AbortSignal.any([opening.context.signal, done.signal]), overtaken)
    try {
      const attempted = await run
      // A holder that was only slow has a pod for it already, and delivers.
      const reached = attempted.kind === 'active' ? attempted.session : await settled
      if (reached?.status !== 'ACTIVE') throw deliveryFailed()
      wakes.publish({ kind: 'activated', sessionId: session.id })
      return reached
    } catch (error) {
      const other = overtaken.signal.aborted ? await settled : undefined
      if (other?.status === 'ACTIVE') return other
      throw error
    } finally {
      done.abort()
    }
  }

  /** It may be ended while it waits, or a holder that was only slow may have got it a pod: then nobody need wait. */
  async function watch(
    session: Session,
    signal: AbortSignal,
    overtaken: AbortController,
  ): Promise<Session | undefined> {
    const until = ({ status }: Session) => status !== 'PENDING'
    const waitMs = longestMs
    const settled = await deps.awaitSession(session.id, { until, waitMs, signal }).catch((error: unknown) => {
      logger.debug({ err: error, sessionId: session.id }, 'cold open not watched; its own attempts decide')
      return undefined
    })
    if (settled && until(settled)) overtaken.abort()
    return settled
  }

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

  /** In the background nobody hangs up; only this replica's own end stops the waiting. */
  function inBackground(opening: Opening): Opening {
    return {
      ...opening,
      context: { ...opening.context, logger, signal: draining, handsOver: () => draining.aborted },
    }
  }

  async function resume(session: Session): Promise<void> {
    const spec = pools.current()?.pools[session.agentType]
    const context = { idempotencyKey: undefined, signal: draining, logger }
    const prior: Prior = { kind: 'undelivered', session, reason: 'its replica was lost' }
    if (!spec || !session.adoptable) {
      await sessions.failOpen(session, endReason.abandoned, { kind: 'retire', reason: prior.reason })
      return
    }
    const identity = { id: session.id, fingerprint: session.fingerprint }
    const opening = inBackground(
      newOpening({ request: requestOf(session), context, spec, identity, now: now() }),
    )
    logger.info({ sessionId: session.id }, 'cold open is taken over')
    behindTheAnswer(opening, session, async () => {
      const delivered = session.pod && (await attempts.redeliver(opening, session))
      if (delivered) wakes.publish({ kind: 'activated', sessionId: session.id })
      else await complete(opening, session, prior)
    })
  }

  return {
    /** Writes the session; throws GRN_POOL_EMPTY when as many as may wait do so already. */
    async write(opening: Opening, prior: Prior): Promise<ColdStart> {
      const { spec, request } = opening
      const pendingMs = spec.coldStart.deadlineSeconds * 1_000 + 2 * openDeadlineMs
      const outcome = await sessions.openCold({
        ...coldRecordOf(opening, (prior.session?.epoch ?? 0) + 1),
        heldByReplica: replica,
        adoptable: request.secrets === undefined,
        pendingMs,
        mostWaiting: spec.coldStart.max,
      })
      if (outcome.kind === 'full' || outcome.kind === 'pod-taken') {
        const message = `${spec.coldStart.max} sessions wait for a pod of ${request.agentType} already.`
        throw new GreenroomError('GRN_POOL_EMPTY', message, { retryAfterMs: 5_000 })
      }
      if (outcome.kind === 'session-exists') return { kind: 'exists', session: outcome.session }
      // The controller counts those that wait and makes a pod for each.
      wakes.publish({ kind: 'claimed', agentType: request.agentType })
      return { kind: 'written', session: outcome.session }
    },

    /** For a request that is held open: resolves with the ACTIVE session. */
    complete: (opening: Opening, session: Session): Promise<Session> =>
      complete(opening, session, { kind: 'undelivered', session, reason: 'never delivered' }),

    completeLater(opening: Opening, session: Session): void {
      const background = inBackground(opening)
      const prior: Prior = { kind: 'undelivered', session, reason: 'never delivered' }
      behindTheAnswer(background, session, () => complete(background, session, prior))
    },

    /** Whether this request may go on with a session whose replica was lost; it has the secrets that no row has. */
    async takeOver(session: Session): Promise<Session | undefined> {
      return (await sessions.adopt(replica, { limit: 1, id: session.id }))[0]
    },

    /** Goes on with what replicas that died have left. */
    async adoptOrphans(): Promise<void> {
      // A replica that has just started would fail what others can serve: it knows no pool, and takes every pod for gone.
      if (draining.aborted || !pods.synced() || pools.current() === undefined) return
      for (const session of await sessions.adopt(replica, { limit: adoptedAtOnce })) await resume(session)
    },

    /** When draining: waits until nothing runs here, then lets the others take over at once. */
    async handOver(): Promise<void> {
      await Promise.allSettled(underWay)
      await sessions.releaseHeld(replica)
    },
  }
}

export type ColdOpens = ReturnType<typeof createColdOpens>
