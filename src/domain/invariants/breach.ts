/** What may never be, and for how long what leads up to it may last. The names are labels of a metric: keep them. */
export const violationKinds = [
  /** Two sessions, or two claims, on one pod UID. */
  'pod-claimed-twice',
  /** Two claims of one session's current attempt. */
  'session-on-two-pods',
  /** A session that is not over, on a pod that the ledger does not give it. */
  'session-without-claim',
  /** A session that should be served, by a pod that is gone, dead or leaving. */
  'session-without-pod',
  /** A pod that was given to a session which is over or is not there. */
  'claimed-pod-without-session',
  'retired-pod-remains',
  /** Redis offers a pod that is gone or cannot be claimed. */
  'index-entry-without-pod',
  /** Redis holds a pod more than once: ready and reserved, or reserved for two sessions. */
  'slot-offered-twice',
  /** A reservation that never lapses, or later than any may. */
  'reservation-past-bound',
  'pending-past-lease',
  'lease-lapsed-not-ended',
  'ending-past-bound',
  /** ACTIVE without the moment at which the pod's acknowledgement made it so. */
  'active-never-acknowledged',
] as const
export type ViolationKind = (typeof violationKinds)[number]

export interface Violation {
  readonly kind: ViolationKind
  /** A pod UID or a session id. */
  readonly subject: string
  /** One sentence: what was found, and what should be. */
  readonly detail: string
  /** Since when it is so, epoch ms of the clock that noted it; absent where nothing notes it. */
  readonly sinceMs?: number
}

export interface InvariantLimits {
  /** How long a lease may be judged to run beyond what its row says: it is extended after renewals could not be taken. */
  readonly leaseGraceMs: number
  /** By kind: how long the state that a timestamp tells of is legal, ms. */
  readonly boundMs: Readonly<Record<ViolationKind, number>>
}

/** A lapsed lease is ended within 2 s (DESIGN §3); the rest is for a sweep of more than its 500 rows. */
const leaseSweepBoundMs = 5_000
/**
 * Grace of a pod (30 s) and 15 s for a slow kubelet, then ENDED whatever remains. A leader that dies meanwhile is
 * followed after its lease (15 s), and the next one counts from when it first saw the session: 45 + 15 + 45 s, and 15 s.
 */
const endingBoundMs = 120_000
/** The promise: a pod that no session uses any more is removed within 60 s, its grace included. */
const podRemovalBoundMs = 60_000
/** A reservation is made for this long, by Redis' own clock. */
const reservationBoundMs = 5_000

/** In production: what is reported is broken and not merely under way. */
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
    'index-entry-without-pod': 0,
    'slot-offered-twice': 0,
    'reservation-past-bound': reservationBoundMs,
    'pending-past-lease': leaseSweepBoundMs,
    'lease-lapsed-not-ended': leaseSweepBoundMs,
    'ending-past-bound': endingBoundMs,
    'active-never-acknowledged': 0,
  },
}

/** After a fault, once everything has healed: what is still under way counts as well. */
export const settledLimits: InvariantLimits = {
  leaseGraceMs: 0,
  boundMs: {
    ...defaultLimits.boundMs,
    'claimed-pod-without-session': 0,
    'retired-pod-remains': 0,
    'ending-past-bound': 0,
  },
}

/** A session ends within 10 s of the API server knowing that its pod is dead. */
const podDeathSeenForMs = 10_000
/** The index is made whole every 5 s by a reconcile that comes every 2 s at the latest; 1 s for the work. */
const indexSeenForMs = 8_000
/** The stores are read one after the other: what a write just now made differ is equal again at the next look. */
const readSkewMs = 2_000
/** A pod that was retired long after its claim is on its way out two resyncs later. */
const removalSeenForMs = 5_000

/**
 * Where no timestamp tells how old a finding is, or several stores must agree: how long it must be seen before it
 * counts, ms. What one snapshot of one store proves counts at once.
 */
export const seenForMs: Readonly<Record<ViolationKind, number>> = {
  'pod-claimed-twice': 0,
  'session-on-two-pods': 0,
  'session-without-claim': 0,
  'session-without-pod': podDeathSeenForMs,
  'claimed-pod-without-session': removalSeenForMs,
  'retired-pod-remains': removalSeenForMs,
  'index-entry-without-pod': indexSeenForMs,
  'slot-offered-twice': 0,
  'reservation-past-bound': 0,
  'pending-past-lease': readSkewMs,
  'lease-lapsed-not-ended': readSkewMs,
  'ending-past-bound': readSkewMs,
  'active-never-acknowledged': 0,
}
