import { GreenroomError } from '../errors.ts'
import { failureWindowMs } from './retirement-cap.ts'

/** The ways in which an open fails without a pod. */

export function deliveryFailed(reason?: string): GreenroomError {
  return new GreenroomError('GRN_DELIVERY_FAILED', reason, { retryAfterMs: 1_000 })
}

export function poolDegraded(): GreenroomError {
  return new GreenroomError('GRN_POOL_DEGRADED', undefined, { retryAfterMs: failureWindowMs })
}

export function isPoolEmpty(error: unknown): boolean {
  return error instanceof GreenroomError && error.code === 'GRN_POOL_EMPTY'
}
