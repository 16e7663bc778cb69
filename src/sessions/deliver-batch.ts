import type { Session } from '../domain/session.ts'
import { GreenroomError } from '../errors.ts'
import type { Prior } from './commit-slot.ts'
import type { OpenAttempts } from './open-attempts.ts'
import { deliveryFailed } from './open-failure.ts'
import type { Opening } from './opening.ts'
import type { UndoOpen } from './undo-open.ts'

/** Deliveries of one batch at a time: the opens of others go on between them. */
const lanes = 16

/** A session of a batch that is to be brought to its pod. */
export interface Decided {
  readonly opening: Opening
  readonly prior: Prior
  /** PENDING with a pod, or ACTIVE already. */
  readonly session: Session
  /** Whether this request claimed the pod. Another request of the same key has the say over the others. */
  readonly isOwn: boolean
}

interface DeliverBatchDeps {
  readonly attempts: Pick<OpenAttempts, 'untilAcknowledged' | 'isAcknowledged' | 'activate'>
  readonly undoOpen: UndoOpen
}

/** Which of the sessions of a batch could not be opened, and why. */
export class BatchFailure extends Error {
  readonly nth: number

  constructor(nth: number, cause: unknown) {
    super('one of a batch could not be opened', { cause })
    this.nth = nth
  }
}

/**
 * Delivers all sessions of a batch, and makes them ACTIVE when each of their pods has acknowledged. Until then a session
 * is PENDING: if one of them finds no pod, the others fail in a way that their key can be used again.
 */
export function createDeliverBatch({ attempts, undoOpen }: DeliverBatchDeps) {
  async function acknowledged({ opening, prior, session, isOwn }: Decided): Promise<Session> {
    if (isOwn) {
      const attempted = await attempts.untilAcknowledged(opening, prior, session)
      if (attempted.kind === 'claimed') return attempted.session
      // Another request of the same key has gone on to the next pod.
      return acknowledged({ opening, prior, session: attempted.session, isOwn: false })
    }
    if (session.status === 'ACTIVE') return session
    if (session.status === 'PENDING' && (await attempts.isAcknowledged(opening, session))) return session
    throw deliveryFailed()
  }

  /** What each came to; undefined: it was not tried any more because another one had failed. */
  async function deliverAll(
    all: readonly Decided[],
  ): Promise<readonly (PromiseSettledResult<Session> | undefined)[]> {
    const results: (PromiseSettledResult<Session> | undefined)[] = all.map(() => undefined)
    const left = all.entries()
    let hasFailed = false
    async function lane(): Promise<void> {
      for (const [nth, each] of left) {
        if (hasFailed) return
        const [result] = await Promise.allSettled([acknowledged(each)])
        results[nth] = result
        if (result.status === 'rejected') hasFailed = true
      }
    }
    await Promise.all(Array.from({ length: lanes }, lane))
    return results
  }

  /** One whose own open has given up is ended already. */
  async function undoOwn(
    all: readonly Decided[],
    results: readonly (PromiseSettledResult<Session> | undefined)[],
  ): Promise<void> {
    await Promise.all(
      all.map(async ({ session, opening, isOwn }, nth) => {
        const result = results[nth]
        if (!isOwn || result?.status === 'rejected') return
        const { logger } = opening.context
        if (result === undefined) await undoOpen(session, { kind: 'release' }, logger)
        else await undoOpen(result.value, { kind: 'retire', reason: 'its batch failed' }, logger)
      }),
    )
  }

  /** Resolves with the ACTIVE sessions, in order; throws {@link BatchFailure} when one could not be opened. */
  return async function deliverBatch(all: readonly Decided[]): Promise<readonly Session[]> {
    const results = await deliverAll(all)
    const failed = results.findIndex((result) => result?.status === 'rejected')
    if (failed >= 0) {
      await undoOwn(all, results)
      throw new BatchFailure(failed, (results[failed] as PromiseRejectedResult).reason)
    }
    const active = await Promise.allSettled(
      all.map(async ({ opening }, nth) => {
        const { value } = results[nth] as PromiseFulfilledResult<Session>
        return value.status === 'ACTIVE' ? value : attempts.activate(opening, value)
      }),
    )
    const lost = active.findIndex(({ status }) => status === 'rejected')
    if (lost < 0) return active.map((result) => (result as PromiseFulfilledResult<Session>).value)
    const { reason } = active[lost] as PromiseRejectedResult
    // Whether they are ACTIVE nobody knows. Their key finds them; without one they end with their leases.
    if (!isUnknown(reason)) await undoOwn(all, results)
    throw new BatchFailure(lost, reason)
  }
}

export type DeliverBatch = ReturnType<typeof createDeliverBatch>

function isUnknown(error: unknown): boolean {
  return error instanceof GreenroomError && error.code === 'GRN_DATABASE_UNAVAILABLE'
}
