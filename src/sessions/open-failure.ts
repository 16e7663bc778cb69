import type { Session } from '../domain/session.ts'
import { GreenroomError } from '../errors.ts'
import { failureWindowMs } from './retirement-cap.ts'

/** The ways in which an open fails without a pod. */

export function deliveryFailed(reason?: string): GreenroomError {
  return new GreenroomError('GRN_DELIVERY_FAILED', reason, { retryAfterMs: 1_000 })
}

export function poolDegraded(): GreenroomError {
  return new GreenroomError('GRN_POOL_DEGRADED', undefined, { retryAfterMs: failureWindowMs })
}

/** The key names a session that was there and is over. To answer with it would look like an open that worked. */
export function keyUsedUp({ id, status, endReason = '' }: Session): GreenroomError {
  const message = `The session of this Idempotency-Key, ${id}, is ${status} (${endReason}).`
  return new GreenroomError('GRN_KEY_USED_UP', message)
}

export function isPoolEmpty(error: unknown): boolean {
  return error instanceof GreenroomError && error.code === 'GRN_POOL_EMPTY'
}
