import type { PoolProblem } from './pool-problem.ts'
import type { PoolSizingReport } from './pool-sizing-report.ts'
import type { ThinReport } from './thin-pods.ts'

/**
 * What use cases and controllers need of Redis, which proposes.
 * Adapters implement these ports; only `roles/` and `cli/` know both sides.
 */

export type Reservation =
  | { readonly kind: 'reserved'; readonly podUid: string }
  | { readonly kind: 'empty' }
  /** The index is not built (Redis restarted, flushed or unreachable), so it says nothing about the pool. */
  | { readonly kind: 'unknown' }
  /** A later attempt of the same session has reserved already. */
  | { readonly kind: 'stale' }

/** As {@link Reservation}, of a slot for each of several sessions, in their order. `empty`: there are fewer. */
export type Reservations =
  | { readonly kind: 'reserved'; readonly podUids: readonly string[] }
  | Exclude<Reservation, { kind: 'reserved' }>

export interface IndexedSlot {
  readonly podUid: string
  /** Lower is handed out first. */
  readonly rank: number
}

export interface IndexLook {
  readonly isBuilt: boolean
  /** Milliseconds of Redis' clock. */
  readonly at: number
}

export interface SlotReservation {
  readonly agentType: string
  readonly sessionId: string
  readonly attempt: number
  /** The session asks for the first time: it counts as demand of the pool (DemandFeed). */
  readonly isArrival?: boolean
}

export interface SlotReservations {
  readonly agentType: string
  readonly sessions: readonly Omit<SlotReservation, 'agentType'>[]
}

/** The index of ready slots, one per pool, shared by all API replicas. A stale or empty index never doubles a claim. */
export interface SlotIndex {
  /** Idempotent per (session, attempt): the same attempt gets the same slot again. */
  reserve(request: SlotReservation): Promise<Reservation>
  /** A slot for each of the sessions, or none for any of them. Those who wait for a pod are before all of them. */
  reserveAll(request: SlotReservations): Promise<Reservations>
  /** The claim of this slot is made: its reservation goes, and the slot stays out of the index. */
  settle(agentType: string, sessionId: string, podUid: string): Promise<void>
  /** The claim of this slot was not made: the slot goes back, if the session still has it reserved. */
  giveBack(agentType: string, sessionId: string, podUid: string): Promise<void>
  /** Removes slots that must not be handed out again. */
  drop(agentType: string, podUids: readonly string[]): Promise<void>
  /** Whether the index is built, and when that was seen: asked before what is claimed is read. undefined without Redis. */
  look(agentType: string): Promise<IndexLook | undefined>
  /**
   * Adds ready, unclaimed slots. Slots that are reserved stay reserved, and those that were settled or dropped since `asOf`
   * (of a look; 0 if there was none) stay away: what says that they are unclaimed may have been read before. Without `asOf`
   * the caller knows that they are. False if some could not be written.
   */
  add(agentType: string, slots: readonly IndexedSlot[], asOf?: number): Promise<boolean>
  /**
   * Makes the index of a pool equal to `slots`, under the same conditions, and marks it as built. It goes page by page and
   * only ever towards that: meanwhile an index that was built hands out slots as ever, and one that was not is unknown.
   * False if it came to no end; what it did is right, and the next rebuild does the rest.
   */
  rebuild(agentType: string, slots: readonly IndexedSlot[], asOf?: number): Promise<boolean>
  /** Whether the indexes of all these pools are built; undefined without Redis. Every replica asks each second. */
  areBuilt(agentTypes: readonly string[]): Promise<boolean | undefined>
  /** Number of slots free to reserve; undefined while the index is unknown. */
  size(agentType: string): Promise<number | undefined>
  /**
   * Puts opens into the queue that all replicas share, and keeps them alive there: an open that no call named for
   * `waiterSilenceMs` is skipped. Resolves with their places (lower is served first); undefined without Redis.
   */
  keepWaiting(agentType: string, waiters: readonly WaitingOpen[]): Promise<readonly number[] | undefined>
  leaveWaiting(agentType: string, sessionId: string): Promise<void>
  /** Notes that a pod did not take its session. Resolves with the number of such pods in the window, over all replicas. */
  noteFailure(agentType: string, podUid: string, windowMs: number): Promise<number | undefined>
  /** Opens waiting in all replicas; undefined without Redis. */
  waiting(agentType: string): Promise<number | undefined>
}

export interface WaitingOpen {
  readonly sessionId: string
  /** undefined for a newcomer, whose place will be its time of arrival less its head start. */
  readonly place: number | undefined
  /** What its priority is worth, ms. A fixed head start: those who wait longer age past it, so no open waits for ever. */
  readonly headStartMs: number
  /** It joins the queue without having asked for a slot: it counts as demand that found no pod. */
  readonly isArrival?: boolean
}

/** What keeps a pool from its goal. The controller tells it to every replica, for GET /v1/pools. Best effort. */
export interface PoolNotice {
  readonly boundBy: string | undefined
  /** The message of `problem`. */
  readonly message: string | undefined
  /** undefined while all is well. */
  readonly problem: PoolProblem | undefined
  /** Where the number of idle pods comes from; undefined for a pool that was removed. */
  readonly sizing?: PoolSizingReport | undefined
  /** Pods in all that the ResourceQuotas allow this pool; undefined without a quota that counts them. */
  readonly quotaPods?: number | undefined
  /** Idle pods beyond `min` that make room for pods of others (`yieldTo`). */
  readonly yielded?: number | undefined
  /** undefined for a pool whose row is not `thin`. */
  readonly thin?: ThinReport | undefined
}
export interface PoolNotices {
  post(agentType: string, notice: PoolNotice): Promise<void>
  read(agentType: string): Promise<PoolNotice | undefined>
}

/** Wake-ups between processes. They may be lost, so every listener also looks by itself from time to time. */
export interface WakeBus {
  publish(wake: Wake): void
  subscribe(listener: (wake: Wake) => void): () => void
}
export type Wake =
  /** A slot of this pool was claimed: refill. */
  | { readonly kind: 'claimed'; readonly agentType: string }
  /** An open found no free slot of this pool: it may be too small. */
  | { readonly kind: 'missed'; readonly agentType: string }
  /** Slots of this pool became free to reserve: waiters may try. */
  | { readonly kind: 'indexed'; readonly agentType: string }
  | { readonly kind: 'ending'; readonly sessionId: string }
  | { readonly kind: 'ended'; readonly sessionId: string }
  /** A cold open got its pod. */
  | { readonly kind: 'activated'; readonly sessionId: string }
  /** Limits of a project were changed. */
  | { readonly kind: 'limits' }
  /** LiveKit told something about the room of this session. */
  | { readonly kind: 'room'; readonly sessionId: string }
  /** An API key was made, rotated or revoked. */
  | { readonly kind: 'keys'; readonly keyId: string }
  /** Events got their numbers: followers may read them. */
  | { readonly kind: 'numbered' }
  /** Somebody follows events at some replica, so they should get their numbers at once. */
  | { readonly kind: 'following' }
