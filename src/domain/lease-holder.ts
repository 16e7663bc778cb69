import { type Static, Type } from 'typebox'

/** Whose renewals extend a lease: the party that must be alive for the session to make sense. */
export const LeaseHolder = Type.Union([Type.Literal('caller'), Type.Literal('agent'), Type.Literal('both')], {
  description: 'Whose renewals extend the lease.',
})
/**
 * Of a pool that names none. A caller without an Idempotency-Key cannot find a session whose answer it lost: if the agent
 * could extend the lease, it would keep that session to its longest duration.
 */
export function leaseHolderOf(chosen: LeaseHolder | undefined, hasKey: boolean): LeaseHolder {
  return chosen ?? (hasKey ? 'both' : 'caller')
}

export type LeaseHolder = Static<typeof LeaseHolder>
