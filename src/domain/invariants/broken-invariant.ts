/**
 * Everything about invariants starts here:
 *
 * - read: `read-invariant-snapshot.ts` asks the three stores, through the ports of `invariant-snapshot.ts`;
 * - judge: `find-broken-invariants.ts` calls the judges of the ledger, the pods and the index;
 * - confirm: `confirm-broken-invariants.ts` counts only what lasts, by `invariant-limits.ts`;
 * - watch: `controllers/invariant-watch.ts` does so every 15 s while the controller leads;
 * - examine: `examine-invariants.ts` does so once, for the command `cli/doctor.ts`.
 *
 * The readers are adapters: `stores/postgres-invariant-reader.ts` and `stores/redis-index-reader.ts`.
 */

/** The states that must never last. The names are labels of a metric, so they never change. */
export const invariantKinds = [
  /** Two sessions, or two claims, on one pod UID. */
  'pod-claimed-twice',
  /** Two claims of one session's current attempt. */
  'session-on-two-pods',
  /** A session that has not ended, on a pod that the ledger does not give it. */
  'session-without-claim',
  /** A session that should be served, but its pod is gone, dead or Terminating. */
  'session-without-pod',
  /** A pod that was given to a session which has ended or does not exist. */
  'claimed-pod-without-session',
  'retired-pod-remains',
  /** A session is on, or Redis offers, a pod that the controller never noted for its type. */
  'pod-not-noted-in-use',
  /** Redis offers a pod that is gone or cannot be claimed. */
  'index-entry-without-pod',
  /** Redis holds a pod more than once: ready and reserved, or reserved for two sessions. */
  'slot-offered-twice',
  /** A reservation that never lapses, or lapses later than any reservation may. */
  'reservation-past-bound',
  'pending-past-lease',
  'lease-lapsed-not-ended',
  'ending-past-bound',
  /** ACTIVE without a time of activation, which only the pod's acknowledgement sets. */
  'active-never-acknowledged',
  /** The count that holds a project to its limit is not the number of its sessions. */
  'project-count-wrong',
] as const
export type InvariantKind = (typeof invariantKinds)[number]

export interface BrokenInvariant {
  readonly kind: InvariantKind
  /** A pod UID or a session id. */
  readonly subject: string
  /** One sentence: what was found, and what should be. */
  readonly detail: string
  /** Since when it is so, epoch ms of the clock that noted it; absent where no timestamp tells. */
  readonly sinceMs?: number
}
