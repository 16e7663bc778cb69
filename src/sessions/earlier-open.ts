import { isRetryableFailure, type Session } from '../domain/session.ts'
import { GreenroomError } from '../errors.ts'
import { deliveryFailed, keyUsedUp } from './open-failure.ts'
import type { Opening } from './opening.ts'

/**
 * What the session of an earlier open under this key means for the next one: `live`, it is followed, or `failed`, it starts
 * again. Throws when the key cannot be used: GRN_IDEMPOTENCY_MISMATCH, GRN_DELIVERY_FAILED (not yet), GRN_KEY_USED_UP.
 */
export function standingOf({ identity }: Opening, session: Session): 'live' | 'failed' {
  if (session.fingerprint !== identity.fingerprint) throw new GreenroomError('GRN_IDEMPOTENCY_MISMATCH')
  if (session.status === 'PENDING') return 'live'
  if (isRetryableFailure(session)) {
    if (session.status === 'ENDED') return 'failed'
    // Its pod is still being taken away; the record can start again when that is done.
    throw deliveryFailed()
  }
  // Without a key only this open knew the session, and has told nobody.
  if (session.status !== 'ACTIVE')
    throw identity.fingerprint === undefined ? deliveryFailed() : keyUsedUp(session)
  return 'live'
}
