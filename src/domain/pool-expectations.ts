/**
 * Records our own writes that the informer does not show yet. Without this record, a reconcile on a view that is a few
 * milliseconds old creates the same pods again. agent-sandbox measured about ten-fold over-creation before it had one.
 */

/**
 * An expectation that no event confirms is dropped after this time, because a lost event must not hold a place for ever.
 * Five minutes (agent-sandbox's value) is far beyond the delay of any healthy watch; a watch that lags longer is listed
 * anew.
 */
export const expectationTtlMs = 5 * 60_000

/**
 * A create without an answer either shows as soon as the watch works, or was never made. A watch that hangs is noticed
 * within 35 s and listed anew. So the place is free after a minute, and sooner if a fresh list tells (`resolveUnanswered`).
 */
export const unansweredTtlMs = 60_000

/** The API server stops what it was asked when its caller hangs up; a write that it had begun then is done within this time. */
const lateWriteMs = 2_000

/** One pool's record. Times are epoch ms; memory is bounded by the pool's max and by `expectationTtlMs`. */
export interface PoolExpectations {
  /** To be called before the API is asked for a pod. The ticket names this create in the calls below. */
  createSent(now: number): CreateTicket
  /** The API answered. From now on the create is known by its UID, until the informer shows it. */
  createAnswered(ticket: CreateTicket, podUid: string, now: number): void
  /** No answer came. The pod may show soon or not exist at all, so its place is held for `unansweredTtlMs` only. */
  createUnanswered(ticket: CreateTicket, now: number): void
  /** True if there are such creates that a fresh list can tell by now. */
  hasUnanswered(now: number): boolean
  /** Takes the UIDs of a list that was asked for at `askedAt`: a create without an answer is among them or was never done. */
  resolveUnanswered(listed: readonly string[], shown: ReadonlySet<string>, askedAt: number): void
  /** The API refused. */
  createFailed(ticket: CreateTicket): void
  /** To be called before the pod is retired and deleted. */
  removalSent(podUid: string, now: number): void
  /** The ledger or the API refused. */
  removalFailed(podUid: string): void
  /** The informer reported that this pod is gone. */
  podGone(podUid: string): void
  /** Takes the UIDs that the informer shows now. To be called before planning on that same view. */
  settle(shown: ReadonlySet<string>, now: number): void
  pendingCreates(): number
  pendingRemovals(): ReadonlySet<string>
}

/** Opaque. */
type CreateTicket = { readonly sentAt: number }

export function createPoolExpectations(): PoolExpectations {
  /** Each create with the time at which it no longer counts. */
  const inFlight = new Map<CreateTicket, number>()
  /** Those of them whose caller gave up, with the time. */
  const unanswered = new Map<CreateTicket, number>()
  const created = new Map<string, number>()
  const removals = new Map<string, number>()
  /**
   * Pods that the informer lost while a create had no answer yet. Such a pod may be the created one: it came and went
   * before we learnt its UID, and will never show again. Kept only while a create is in flight.
   */
  const goneUnasked = new Set<string>()

  function land(ticket: CreateTicket): void {
    inFlight.delete(ticket)
    unanswered.delete(ticket)
    if (inFlight.size === 0) goneUnasked.clear()
  }

  return {
    createSent(now) {
      const ticket = { sentAt: now }
      inFlight.set(ticket, now + expectationTtlMs)
      return ticket
    },
    createAnswered(ticket, podUid, now) {
      const cameAndWent = goneUnasked.has(podUid)
      land(ticket)
      if (!cameAndWent) created.set(podUid, now)
    },
    createUnanswered(ticket, now) {
      if (!inFlight.has(ticket)) return
      inFlight.set(ticket, now + unansweredTtlMs)
      unanswered.set(ticket, now)
    },
    hasUnanswered: (now) => unanswered.values().some((since) => now - since >= lateWriteMs),
    resolveUnanswered(listed, shown, askedAt) {
      const told = [...unanswered].filter(([, since]) => askedAt - since >= lateWriteMs)
      for (const [ticket] of told) land(ticket)
      for (const podUid of listed)
        if (!shown.has(podUid) && !created.has(podUid)) created.set(podUid, askedAt)
    },
    createFailed(ticket) {
      land(ticket)
    },
    removalSent(podUid, now) {
      removals.set(podUid, now)
    },
    removalFailed(podUid) {
      removals.delete(podUid)
    },
    podGone(podUid) {
      removals.delete(podUid)
      if (!created.delete(podUid) && inFlight.size > 0) goneUnasked.add(podUid)
    },
    settle(shown, now) {
      for (const [podUid, since] of created) {
        if (shown.has(podUid) || isOverdue(since, now)) created.delete(podUid)
      }
      for (const [podUid, since] of removals) {
        if (!shown.has(podUid) || isOverdue(since, now)) removals.delete(podUid)
      }
      for (const [ticket, until] of inFlight) if (now >= until) land(ticket)
    },
    pendingCreates: () => inFlight.size + created.size,
    pendingRemovals: () => new Set(removals.keys()),
  }
}

function isOverdue(since: number, now: number): boolean {
  return now - since >= expectationTtlMs
}
