import { type Static, Type } from 'typebox'

/** Whose renewals extend a lease: the party that must be alive for the session to make sense. */
export const LeaseHolder = Type.Union([Type.Literal('caller'), Type.Literal('agent'), Type.Literal('both')], {
  description: 'Whose renewals extend the lease.',
})
export type LeaseHolder = Static<typeof LeaseHolder>
