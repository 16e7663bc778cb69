import type { AgentPod } from './agent-pod.ts'
import type { Assignment, AssignmentEcho, EndOrder, LiveKitAccess } from './assignment.ts'
import type { DocumentStatus } from './document-status.ts'
import type { LeaseHolder } from './lease-holder.ts'
import type { PoolsDocument } from './pool.ts'
import type { EndReason, Session, SessionPod, SessionStatus } from './session.ts'
import type { PodClaim } from './slot.ts'

/** What use cases and controllers need of the world. Adapters implement these; only `main.ts` knows both sides. */

// --- Redis: proposes -------------------------------------------------------------------------------------------------

export type Reservation =
  | { readonly kind: 'reserved'; readonly podUid: string }
  | { readonly kind: 'empty' }
  /** The index is not built (Redis restarted, flushed or unreachable): it says nothing about the pool. */
  | { readonly kind: 'unknown' }
  /** A later attempt of the same session has reserved already. */
  | { readonly kind: 'stale' }

export interface IndexedSlot {
  readonly podUid: string
  /** Lower is handed out first. */
  readonly rank: number
}

/** The index of ready slots, one per pool, shared by all API replicas. A stale or empty one never doubles a claim. */
export interface SlotIndex {
  /** Idempotent per (session, attempt): the same attempt gets the same slot again. */
  reserve(request: { agentType: string; sessionId: string; attempt: number }): Promise<Reservation>
  /** The claim of this slot is decided: forget its reservation; the slot stays out of the index. */
  settle(agentType: string, sessionId: string, podUid: string): Promise<void>
  /** The claim of this slot was not made: it goes back, if the session still has it reserved. */
  giveBack(agentType: string, sessionId: string, podUid: string): Promise<void>
  /** These slots must not be handed out again. */
  drop(agentType: string, podUids: readonly string[]): Promise<void>
  /** Adds ready, unclaimed slots; those reserved at present stay reserved. */
  add(agentType: string, slots: readonly IndexedSlot[]): Promise<void>
  /** Makes the index of a pool equal to `slots` (less those reserved) and marks it as built. */
  rebuild(agentType: string, slots: readonly IndexedSlot[]): Promise<void>
  /** Number of slots free to reserve; undefined while the index is unknown. */
  size(agentType: string): Promise<number | undefined>
  /**
   * Puts opens into the queue that all replicas share, and keeps those in it alive: one not heard of for
   * `waiterSilenceMs` is passed over. Resolves with their places (lower is served first); undefined without Redis.
   */
  keepWaiting(agentType: string, waiters: readonly WaitingOpen[]): Promise<readonly number[] | undefined>
  leaveWaiting(agentType: string, sessionId: string): Promise<void>
  /** Notes that a pod did not take its session; resolves with how many did not within the window, over all replicas. */
  noteFailure(agentType: string, podUid: string, windowMs: number): Promise<number | undefined>
  /** Opens waiting in all replicas; undefined without Redis. */
  waiting(agentType: string): Promise<number | undefined>
}

export interface WaitingOpen {
  readonly sessionId: string
  /** undefined for a newcomer: its place is its time of arrival less its head start. */
  readonly place: number | undefined
  /** What its priority is worth, ms. It ages upwards with the others: nobody is passed over for ever. */
  readonly headStartMs: number
}

/** What keeps a pool from its goal, told by the controller to every replica's GET /v1/pools. Best effort. */
export interface PoolNotice {
  readonly boundBy: string | undefined
  /** The last refusal or failure, in words; undefined while all is well. */
  readonly message: string | undefined
}
export interface PoolNotices {
  post(agentType: string, notice: PoolNotice): Promise<void>
  read(agentType: string): Promise<PoolNotice | undefined>
}

/** Wake-ups between processes. May be lost; whoever listens also looks by itself from time to time. */
export interface WakeBus {
  publish(wake: Wake): void
  subscribe(listener: (wake: Wake) => void): () => void
}
export type Wake =
  /** A slot of this pool was claimed: refill. */
  | { readonly kind: 'claimed'; readonly agentType: string }
  /** Slots of this pool became free to reserve: waiters may try. */
  | { readonly kind: 'indexed'; readonly agentType: string }
  | { readonly kind: 'ending'; readonly sessionId: string }
  | { readonly kind: 'ended'; readonly sessionId: string }
  /** A cold open got its pod. */
  | { readonly kind: 'activated'; readonly sessionId: string }

// --- PostgreSQL: disposes --------------------------------------------------------------------------------------------

export type ClaimedPod = SessionPod

export interface OpenRecord {
  readonly id: string
  readonly agentType: string
  readonly projectId: string | undefined
  readonly roomName: string
  readonly room: string
  readonly participant: Session['participant']
  readonly metadata: Session['metadata']
  readonly fingerprint: string | undefined
  readonly leaseMs: number
  readonly leaseHeldBy: LeaseHolder
  readonly maxSessionMs: number
  /** True when the first pod came from the warm pool without waiting. */
  readonly warm: boolean
  readonly epoch: number
  readonly pod: ClaimedPod
}

/** A session that waits for its pod: PENDING without one, seen to by a replica until it is ACTIVE. */
export interface ColdRecord extends Omit<OpenRecord, 'pod' | 'warm'> {
  /** How long it may stay PENDING. */
  readonly pendingMs: number
  /** The replica that sees to it. */
  readonly heldByReplica: string
  /** Whether another replica may go on when that one dies; not with secrets, which only the request holds. */
  readonly adoptable: boolean
  /** Most sessions of the type that may wait so; beyond it the answer is `full`. */
  readonly mostWaiting: number
}

export type ColdOutcome = CommitOutcome | { readonly kind: 'full' }

/** What becomes of the pod of an open that failed. */
export type PodFate =
  | { readonly kind: 'retire'; readonly reason: string }
  /** It never heard of the session, and is as good for the next one. */
  | { readonly kind: 'release' }

export type CommitOutcome =
  | { readonly kind: 'committed'; readonly session: Session }
  /** Another session holds this pod, or it is retired. */
  | { readonly kind: 'pod-taken' }
  /** The session is there already (a retry, another replica, or an earlier failure). */
  | { readonly kind: 'session-exists'; readonly session: Session }

/** What becoming ACTIVE changes of a session besides its status: epoch ms of PostgreSQL's clock. */
export interface ActivatedTimes {
  readonly activeAt: number
  readonly leaseExpiresAt: number
}

/** Use cases' side of PostgreSQL. Every method is one statement; transitions are compare-and-set. */
export interface SessionStore {
  /** Claims the pod and writes the PENDING session, both or neither. */
  commitOpen(record: OpenRecord): Promise<CommitOutcome>
  /** The pod of `session.epoch`, if it has one, failed delivery: retires it and claims the next, in one transaction. */
  commitNextAttempt(
    session: Session,
    next: { pod: ClaimedPod; epoch: number; reason: string },
  ): Promise<CommitOutcome>
  /** A session that ended `failed:` starts again under its key, with a higher epoch and another pod. */
  reopen(session: Session, record: OpenRecord): Promise<CommitOutcome>
  /** Writes a PENDING session without a pod, anew or over one that ended `failed:` with a lower epoch. */
  openCold(record: ColdRecord): Promise<ColdOutcome>
  /** Takes over PENDING sessions whose holder has not been heard of; `id`: only this one. */
  adopt(by: string, options: { readonly limit: number; readonly id?: string }): Promise<readonly Session[]>
  /** This replica goes: what it holds may be adopted at once. */
  releaseHeld(by: string): Promise<void>
  /** PENDING → ACTIVE; undefined if the session is not PENDING with this epoch any more. */
  activate(id: string, epoch: number): Promise<ActivatedTimes | undefined>
  /** PENDING → ENDED `failed:…`; undefined if it was not PENDING with this epoch. */
  failOpen(session: Session, reason: EndReason, fate: PodFate): Promise<Session | undefined>
  get(id: string): Promise<Session | undefined>
  list(query: SessionQuery): Promise<readonly Session[]>
  /**
   * Extends the lease of a live session if it is this party's to extend (`extendsLease`), and leaves it as it is
   * otherwise: `done` either way. Never shortens it. The outcome tells why there was nothing to renew.
   */
  renew(id: string, epoch: number, byAgent?: boolean): Promise<TransitionOutcome>
  /** PENDING or ACTIVE → ENDING. Without an epoch, whatever the epoch is. Again on ENDING or ENDED: `done`. */
  beginEnding(id: string, reason: EndReason, epoch?: number): Promise<TransitionOutcome>
  poolHistory(agentType: string): Promise<{ readonly opened: number; readonly warm: number }>
}

export interface SessionQuery {
  readonly status?: SessionStatus
  readonly projectId?: string
  readonly agentType?: string
  readonly limit: number
  /** Keyset: sessions created before this one, newest first. */
  readonly before?: { readonly createdAt: number; readonly id: string }
}

export type TransitionOutcome =
  | { readonly kind: 'done'; readonly session: Session }
  | { readonly kind: 'not-found' }
  | { readonly kind: 'stale-epoch'; readonly session: Session }
  | { readonly kind: 'over'; readonly session: Session }

/** The controller's side of PostgreSQL. */
export interface ClaimLedger {
  claimsOf(podUids: readonly string[]): Promise<ReadonlyMap<string, PodClaim>>
  /** Retiring is a claim: returns the UIDs that are retired now (not those that a session holds). */
  retire(podUids: readonly string[], reason: string): Promise<readonly string[]>
  /** Ends leases that lapsed and sessions that ran too long, by compare-and-set on PostgreSQL's clock. */
  lapse(limit: number): Promise<readonly Session[]>
  /** Ends live sessions on pods that died. */
  endOnPods(deaths: readonly { podUid: string; reason: EndReason }[]): Promise<readonly Session[]>
  /** Sessions in ENDING, oldest first. */
  ending(limit: number): Promise<readonly Session[]>
  /** ENDING → ENDED. */
  finishEnding(ids: readonly string[]): Promise<void>
  /** Pods of live sessions (PENDING, ACTIVE), so that one that vanished is noticed. */
  liveSessions(): Promise<readonly Session[]>
  get(id: string): Promise<Session | undefined>
  /** PENDING sessions of the type that wait for a pod: the pool makes as many beyond its idle target. */
  coldWaiting(agentType: string): Promise<number>
  /** Notes which claims' pods are gone; `presentUids` are all pods there are. */
  noteGone(presentUids: readonly string[]): Promise<void>
  /**
   * Deletes claims whose pod has long been gone, ended sessions that no claim names any more, and their events; a
   * bounded number at a time.
   */
  purge(options: PurgeOptions): Promise<PurgedCounts>
}

export interface PurgeOptions {
  /** Since the session ended, ms. */
  readonly sessionsAfterMs: number
  /** Since the pod was found gone, ms. */
  readonly claimsAfterMs: number
  /** Rows of each table at most. */
  readonly limit: number
}
export interface PurgedCounts {
  readonly sessions: number
  readonly claims: number
  readonly events: number
}

/** What each API replica notes every second: that renewals can be taken, and which cold opens it still sees to. */
export interface ReplicaLiveness {
  note(replica: string): Promise<void>
}

// --- Kubernetes ------------------------------------------------------------------------------------------------------

/** The pods of all pools as this process's informer shows them. */
export interface PodView {
  get(podUid: string): AgentPod | undefined
  byPool(agentType: string): readonly AgentPod[]
  all(): readonly AgentPod[]
  /** Whether a first list has arrived. It stays true while the API server is away: warm claims go on (DESIGN §3). */
  synced(): boolean
  /**
   * `pod` is the new state, or the last one with `gone` true. `absent`: no event said so, a list only lacks the pod,
   * which proves nothing. Returns the unsubscribe function.
   */
  onChange(listener: (change: { pod: AgentPod; gone: boolean; absent?: boolean }) => void): () => void
}

/** The only writer of pods. Every method may be repeated safely. */
export interface PodWriter {
  /** Creates one pod of the pool; resolves with its name and UID as the API server answered. */
  create(agentType: string, spec: PoolsDocument['pools'][string]): Promise<{ uid: string; name: string }>
  /** Patches the state and session labels; false if the pod (name and UID) is gone. */
  labelClaimed(pod: { uid: string; name: string }, sessionId: string): Promise<boolean>
  /** Deletes with a UID precondition; false if the pod is gone already. `graceSeconds` undefined: the pod's own. */
  delete(pod: { uid: string; name: string }, graceSeconds?: number): Promise<boolean>
  /** A fresh read that no cache answers: is this very pod (name and UID) still there? */
  exists(pod: { uid: string; name: string }): Promise<boolean>
}

/** A document in a ConfigMap: the last accepted one stays in force whatever is written there. */
export interface DocumentView<T> {
  /** undefined until a valid document was ever seen. */
  current(): T | undefined
  status(): DocumentStatus
  onChange(listener: (document: T) => void): () => void
}

// --- Agents and LiveKit ----------------------------------------------------------------------------------------------

export type DeliveryOutcome =
  | { readonly kind: 'accepted'; readonly echo: AssignmentEcho }
  /** The pod answered, but not with what it must: it refuses, or is not who we think it is. */
  | { readonly kind: 'refused'; readonly reason: string }
  /** No answer in time, or no connection; `untouched`: not one byte of the assignment was sent. */
  | { readonly kind: 'unreachable'; readonly reason: string; readonly untouched?: true }

export interface AgentDelivery {
  assign(
    pod: ClaimedPod & { assignKeyIds: readonly string[] },
    assignment: Assignment,
    deadlineMs: number,
  ): Promise<DeliveryOutcome>
  /** Best effort: the pod is deleted anyway. */
  end(pod: ClaimedPod & { assignKeyIds: readonly string[] }, order: EndOrder): Promise<DeliveryOutcome>
}

/** Mints tokens locally; needs no LiveKit server. */
export interface RoomAccess {
  forParticipant(room: string, participant: { identity: string; name?: string }): Promise<LiveKitAccess>
  /** Each attempt has an identity of its own ({@link agentIdentity}). */
  forAgent(room: string, sessionId: string, epoch: number): Promise<LiveKitAccess>
}

/** What only a LiveKit server can do. */
export interface RoomService {
  /** False if there is no such room or nobody of this identity in it. Throws when LiveKit does not answer in time. */
  removeParticipant(room: string, identity: string): Promise<boolean>
}
