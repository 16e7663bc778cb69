import type { InvariantKind } from './broken-invariant.ts'

/** How long each state may last before it counts as broken. */
export interface InvariantLimits {
  /** How far a lease may run beyond its row: leases are extended after a gap in which no renewal could be taken. */
  readonly leaseGraceMs: number
  /** By kind: how long a state with a timestamp is legal, ms. */
  readonly boundMs: Readonly<Record<InvariantKind, number>>
}

/** A lapsed lease is ended within 2 s (DESIGN §3); the rest is for a sweep of more than its 500 rows. */
const leaseSweepBoundMs = 5_000
/**
 * A pod has 30 s of grace and a slow kubelet 15 s more; then the session is ENDED whatever remains. If the leader dies
 * meanwhile, the next one follows after its lease (15 s) and counts from when it first saw the session: 45 + 15 + 45 s,
 * and 15 s to spare.
 */
const endingBoundMs = 120_000
/** The promise: a pod that no session uses any more is removed within 60 s, its grace included. */
const podRemovalBoundMs = 60_000
/** A reservation is made for this long, by Redis' own clock. */
const reservationBoundMs = 5_000

/** For production: a finding past these limits is broken, not merely under way. */
export const defaultLimits: InvariantLimits = {
  // The longest outage that must not end a session (two minutes), and a full lease of a patient type after it.
  leaseGraceMs: 5 * 60_000,
  boundMs: {
    'pod-claimed-twice': 0,
    'session-on-two-pods': 0,
    'session-without-claim': 0,
    'session-without-pod': 0,
    'claimed-pod-without-session': podRemovalBoundMs,
    'retired-pod-remains': podRemovalBoundMs,
    'pod-not-noted-in-use': 0,
    'index-entry-without-pod': 0,
    'slot-offered-twice': 0,
    'reservation-past-bound': reservationBoundMs,
    'pending-past-lease': leaseSweepBoundMs,
    'lease-lapsed-not-ended': leaseSweepBoundMs,
    'ending-past-bound': endingBoundMs,
    'active-never-acknowledged': 0,
    'project-count-wrong': 0,
  },
}

/** A session ends within 10 s of the API server knowing that its pod is dead. */
const podDeathSeenForMs = 10_000
/** The index is rebuilt every 5 s, by a reconcile that comes every 2 s at the latest; 1 s for the work. */
const indexSeenForMs = 8_000
/** The stores are read one after the other. A difference made by a write in between is gone at the next look. */
const readSkewMs = 2_000
/** A pod that was retired long after its claim is on its way out two resyncs later. */
const removalSeenForMs = 5_000

/**
 * How long a finding must be seen before it counts, ms. It is above 0 where no timestamp tells the age of a finding, or
 * where several stores must agree. What one snapshot of one store proves counts at once.
 */
export const seenForMs: Readonly<Record<InvariantKind, number>> = {
  'pod-claimed-twice': 0,
  'session-on-two-pods': 0,
  'session-without-claim': 0,
  'session-without-pod': podDeathSeenForMs,
  'claimed-pod-without-session': removalSeenForMs,
  'retired-pod-remains': removalSeenForMs,
  'pod-not-noted-in-use': indexSeenForMs,
  'index-entry-without-pod': indexSeenForMs,
  'slot-offered-twice': 0,
  'reservation-past-bound': 0,
  'pending-past-lease': readSkewMs,
  'lease-lapsed-not-ended': readSkewMs,
  'ending-past-bound': readSkewMs,
  'active-never-acknowledged': 0,
  'project-count-wrong': 0,
}
