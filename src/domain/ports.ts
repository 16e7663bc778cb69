import type { AgentPod } from './agent-pod.ts'
import type { Assignment, AssignmentEcho, EndOrder, LiveKitAccess } from './assignment.ts'
import type { DocumentStatus } from './document-status.ts'
import type { LeaseHolder } from './lease-holder.ts'
import type { PodWriteError } from './pod-write-error.ts'
import type { PoolsDocument } from './pool.ts'
import type { PoolPod } from './pool-pod.ts'
import type { PoolProblem } from './pool-problem.ts'
import type { EndReason, Session, SessionPod, SessionStatus } from './session.ts'
import type { PodClaim } from './slot.ts'

/** What use cases and controllers need of the world. Adapters implement these ports; only `roles/` and `cli/` know both sides. */

// --- Redis: proposes -------------------------------------------------------------------------------------------------

export type Reservation =
  | { readonly kind: 'reserved'; readonly podUid: string }
  | { readonly kind: 'empty' }
  /** The index is not built (Redis restarted, flushed or unreachable), so it says nothing about the pool. */
  | { readonly kind: 'unknown' }
  /** A later attempt of the same session has reserved already. */
  | { readonly kind: 'stale' }

export interface IndexedSlot {
  readonly podUid: string
  /** Lower is handed out first. */
  readonly rank: number
}

/** The index of ready slots, one per pool, shared by all API replicas. A stale or empty index never doubles a claim. */
export interface SlotIndex {
  /** Idempotent per (session, attempt): the same attempt gets the same slot again. */
  reserve(request: { agentType: string; sessionId: string; attempt: number }): Promise<Reservation>
  /** The claim of this slot is made: its reservation goes, and the slot stays out of the index. */
  settle(agentType: string, sessionId: string, podUid: string): Promise<void>
  /** The claim of this slot was not made: the slot goes back, if the session still has it reserved. */
  giveBack(agentType: string, sessionId: string, podUid: string): Promise<void>
  /** Removes slots that must not be handed out again. */
  drop(agentType: string, podUids: readonly string[]): Promise<void>
  /** Adds ready, unclaimed slots. Slots that are reserved stay reserved. */
  add(agentType: string, slots: readonly IndexedSlot[]): Promise<void>
  /** Makes the index of a pool equal to `slots` (less those reserved) and marks it as built. */
  rebuild(agentType: string, slots: readonly IndexedSlot[]): Promise<void>
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
}

/** What keeps a pool from its goal. The controller tells it to every replica, for GET /v1/pools. Best effort. */
export interface PoolNotice {
  readonly boundBy: string | undefined
  /** The message of `problem`. */
  readonly message: string | undefined
  /** undefined while all is well. */
  readonly problem: PoolProblem | undefined
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
  /** Slots of this pool became free to reserve: waiters may try. */
  | { readonly kind: 'indexed'; readonly agentType: string }
  | { readonly kind: 'ending'; readonly sessionId: string }
  | { readonly kind: 'ended'; readonly sessionId: string }
  /** A cold open got its pod. */
  | { readonly kind: 'activated'; readonly sessionId: string }

// --- PostgreSQL: disposes --------------------------------------------------------------------------------------------

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
  readonly pod: SessionPod
}

/** A session that waits for its pod: PENDING without a pod, in the care of one replica until it is ACTIVE. */
export interface ColdRecord extends Omit<OpenRecord, 'pod' | 'warm'> {
  /** How long it may stay PENDING. */
  readonly pendingMs: number
  /** The replica that takes care of it. */
  readonly heldByReplica: string
  /** Whether another replica may go on when that one dies. Not with secrets, which only the request holds. */
  readonly adoptable: boolean
  /** Most sessions of the type that may wait like this. Beyond it the answer is `full`. */
  readonly mostWaiting: number
}

export type ColdOutcome =
  | Extract<CommitOutcome, { kind: 'committed' | 'session-exists' }>
  | { readonly kind: 'full' }

/** What happens to the pod of an open that failed. */
export type PodFate =
  | { readonly kind: 'retire'; readonly reason: string }
  /** The pod never heard of the session, so the next one can have it. */
  | { readonly kind: 'release' }

export type CommitOutcome =
  | { readonly kind: 'committed'; readonly session: Session }
  /** Another session holds this pod, or it is retired. */
  | { readonly kind: 'pod-taken' }
  /** The controller has not noted this pod for this agent type, whoever proposes it. */
  | { readonly kind: 'pod-not-noted' }
  /** The session exists already (a retry, another replica, or an earlier failure). */
  | { readonly kind: 'session-exists'; readonly session: Session }

/** The times that an activation sets, epoch ms of PostgreSQL's clock. */
export interface ActivatedTimes {
  readonly activeAt: number
  readonly leaseExpiresAt: number
}

/** PostgreSQL for the use cases. Every method is one statement; transitions are compare-and-set. */
export interface SessionStore {
  /** Claims the pod and writes the PENDING session, both or neither. */
  commitOpen(record: OpenRecord): Promise<CommitOutcome>
  /** The pod of `session.epoch`, if there is one, failed delivery. Retires it and claims the next in one transaction. */
  commitNextAttempt(
    session: Session,
    next: { pod: SessionPod; epoch: number; reason: string },
  ): Promise<CommitOutcome>
  /** Starts a session that ended `failed:` again under its key, with a higher epoch and another pod. */
  reopen(session: Session, record: OpenRecord): Promise<CommitOutcome>
  /** Writes a PENDING session without a pod: a new one, or over one that ended `failed:` with a lower epoch. */
  openCold(record: ColdRecord): Promise<ColdOutcome>
  /** Takes over PENDING sessions whose holder is silent; `id`: only this one. */
  adopt(by: string, options: { readonly limit: number; readonly id?: string }): Promise<readonly Session[]>
  /** This replica stops: other replicas may adopt what it holds at once. */
  releaseHeld(by: string): Promise<void>
  /** PENDING → ACTIVE; undefined if the session is no longer PENDING with this epoch. */
  activate(id: string, epoch: number): Promise<ActivatedTimes | undefined>
  /** PENDING → ENDED `failed:…`; undefined if it was not PENDING with this epoch. */
  failOpen(session: Session, reason: EndReason, fate: PodFate): Promise<Session | undefined>
  get(id: string): Promise<Session | undefined>
  /** Without their metadata, which may be large: {@link SessionStore.metadataOf}. */
  list(query: SessionQuery): Promise<readonly Session[]>
  /** The metadata of these sessions as JSON text; those that have none are left out. */
  metadataOf(ids: readonly string[]): Promise<ReadonlyMap<string, string>>
  /**
   * Extends the lease of a live session if this party may (`extendsLease`), else leaves it as it is: `done` either way.
   * Never shortens it. The session comes without its metadata. Any other outcome tells why there was nothing to renew.
   */
  renew(id: string, epoch: number, byAgent?: boolean): Promise<TransitionOutcome>
  /** PENDING or ACTIVE → ENDING. Without an epoch, any epoch will do. On ENDING or ENDED: `done`. */
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

/** PostgreSQL for the controller. Its sessions have no metadata: it needs none, and looks at all live sessions at once. */
export interface ClaimLedger {
  claimsOf(podUids: readonly string[]): Promise<ReadonlyMap<string, PodClaim>>
  /** Retiring is a claim. Returns the UIDs that are retired now, without those that a session holds. */
  retire(podUids: readonly string[], reason: string): Promise<readonly string[]>
  /** Ends leases that lapsed and sessions that ran too long, by compare-and-set on PostgreSQL's clock. */
  lapse(limit: number): Promise<readonly Session[]>
  /** Ends live sessions on pods that died. */
  endOnPods(deaths: readonly { podUid: string; reason: EndReason }[]): Promise<readonly Session[]>
  /** Sessions in ENDING, oldest first. */
  ending(limit: number): Promise<readonly Session[]>
  /** ENDING → ENDED. */
  finishEnding(ids: readonly string[]): Promise<void>
  /** Live sessions (PENDING, ACTIVE), so that a vanished pod is noticed. */
  liveSessions(): Promise<readonly Session[]>
  get(id: string): Promise<Session | undefined>
  /** Number of PENDING sessions that wait for a pod of this type. The pool makes as many pods beyond its idle target. */
  coldWaiting(agentType: string): Promise<number>
  /** Notes which pods of claims and of `pool_pods` are gone; `presentUids` are all pods that exist. */
  noteGone(presentUids: readonly string[]): Promise<void>
  /**
   * Deletes claims and notes of pods that have long been gone, ended sessions that no claim names any more, and their
   * events; at most `limit` rows of each.
   */
  purge(options: PurgeOptions): Promise<PurgedCounts>
}

interface PurgeOptions {
  /** Since the session ended, ms. */
  readonly sessionsAfterMs: number
  /** Since the pod was found gone, ms. */
  readonly claimsAfterMs: number
  /** Rows of each table at most. */
  readonly limit: number
}
interface PurgedCounts {
  readonly sessions: number
  readonly claims: number
  readonly poolPods: number
  readonly events: number
}

/** PostgreSQL's notes of the pods that the controller made. A session can claim no other pod. */
export interface PoolPodLedger {
  /** Notes what creates were answered; a UID that is noted already stays as it is. */
  note(pods: readonly PoolPod[]): Promise<void>
  /** The notes of these pods. */
  noted(podUids: readonly string[]): Promise<readonly PoolPod[]>
  /** False while pods of a version that noted nothing may be in use; claims do not ask for notes until then. */
  isComplete(): Promise<boolean>
  /** Notes these pods of an older version. From now on notes are complete. */
  adopt(pods: readonly PoolPod[]): Promise<void>
}

/** What each API replica notes every second: that renewals can be taken, and that it takes care of its cold opens. */
export interface ReplicaLiveness {
  note(replica: string): Promise<void>
}

// --- Kubernetes ------------------------------------------------------------------------------------------------------

/** The pods of all pools as this process's informer shows them. */
export interface PodView {
  get(podUid: string): AgentPod | undefined
  byPool(agentType: string): readonly AgentPod[]
  all(): readonly AgentPod[]
  /** Whether a first list has arrived. It stays true while the API server is away, so warm claims go on (DESIGN §3). */
  synced(): boolean
  /**
   * `pod` is the new state; with `gone`, the last one. `absent`: no event said that it is gone, a list only lacked it,
   * which proves nothing. Returns the unsubscribe function.
   */
  onChange(listener: (change: { pod: AgentPod; gone: boolean; absent?: boolean }) => void): () => void
}

/** The only writer of pods. Every method may be repeated safely. */
export interface PodWriter {
  /** Creates one pod of the pool; resolves with what the API server answered, its admission included. */
  create(
    agentType: string,
    spec: PoolsDocument['pools'][string],
  ): Promise<{ uid: string; name: string; specDigest: string }>
  /** Asks the API server, by a dry run, whether it would take such a pod; undefined if it would. */
  wouldRefuse(agentType: string, spec: PoolsDocument['pools'][string]): Promise<PodWriteError | undefined>
  /** The same for a plain pod of a row of the policy that has no pool. */
  wouldRefusePlain(agentType: string): Promise<PodWriteError | undefined>
  /** Patches the state and session labels. False if the pod (name and UID) is gone. */
  labelClaimed(pod: { uid: string; name: string }, sessionId: string): Promise<boolean>
  /** Deletes with a UID precondition. False if the pod is gone already. `graceSeconds` undefined: the pod's own. */
  delete(pod: { uid: string; name: string }, graceSeconds?: number): Promise<boolean>
  /** UIDs of the pods of this pool, by a fresh list that no cache answers. */
  list(agentType: string): Promise<readonly string[]>
  /** Whether this very pod (name and UID) still exists, by a fresh read that no cache answers. */
  exists(pod: { uid: string; name: string }): Promise<boolean>
}

/** A document in a ConfigMap. The last accepted one stays in force until a valid one replaces it. */
export interface DocumentView<T> {
  /** undefined until a valid document was seen. */
  current(): T | undefined
  status(): DocumentStatus
  onChange(listener: (document: T) => void): () => void
}

// --- Agents and LiveKit ----------------------------------------------------------------------------------------------

export type DeliveryOutcome =
  | { readonly kind: 'accepted'; readonly echo: AssignmentEcho }
  /** The pod answered, but refused, or its answer names another pod, session or epoch. */
  | { readonly kind: 'refused'; readonly reason: string }
  /** No answer in time, or no connection. `untouched`: not one byte of the assignment was sent. */
  | { readonly kind: 'unreachable'; readonly reason: string; readonly untouched?: true }

export interface AgentDelivery {
  assign(
    pod: SessionPod & { assignKeyIds: readonly string[] },
    assignment: Assignment,
    deadlineMs: number,
  ): Promise<DeliveryOutcome>
  /** Best effort, because the pod is deleted anyway. */
  end(pod: SessionPod & { assignKeyIds: readonly string[] }, order: EndOrder): Promise<DeliveryOutcome>
}

/** Mints tokens locally; needs no LiveKit server. */
export interface RoomAccess {
  forParticipant(room: string, participant: { identity: string; name?: string }): Promise<LiveKitAccess>
  /** Each attempt has an identity of its own ({@link agentIdentity}). */
  forAgent(room: string, sessionId: string, epoch: number): Promise<LiveKitAccess>
}

/** What only a LiveKit server can do. */
export interface RoomService {
  /** False if there is no such room, or no such identity in it. Throws when LiveKit does not answer in time. */
  removeParticipant(room: string, identity: string): Promise<boolean>
}
