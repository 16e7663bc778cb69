import type { ServedPod } from './agent-pod.ts'
import type { LeaseHolder } from './lease-holder.ts'
import type { EndReason, Session, SessionPod, SessionStatus } from './session.ts'
import type { OpenSteps } from './session-timeline.ts'
import type { PodClaim, SlotClaim } from './slot.ts'

/**
 * What use cases and controllers need of PostgreSQL for sessions and claims: it disposes.
 * Adapters implement these ports; only `roles/` and `cli/` know both sides.
 */

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
  /** The trace of the request. */
  readonly traceparent?: string | undefined
  readonly pod: SessionPod
  /** Names this open, if it may answer as soon as its pod has acknowledged (ADR 45). */
  readonly opener?: string | undefined
}

/** A session that waits for its pod: PENDING without a pod, in the care of one replica until it is ACTIVE. */
export interface ColdRecord extends Omit<OpenRecord, 'pod' | 'warm' | 'opener'> {
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
  | Extract<CommitOutcome, { kind: 'committed' | 'session-exists' | 'project-full' }>
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
  /** The project has as many sessions as it may. */
  | { readonly kind: 'project-full' }

/** Of one session among several that are opened together. */
export type TogetherOutcome =
  | CommitOutcome
  /** Nothing stands in its way, and it was not opened because of another one. */
  | { readonly kind: 'held-back' }

/** The times that an activation sets, epoch ms of PostgreSQL's clock. */
export interface ActivatedTimes {
  readonly activeAt: number
  readonly leaseExpiresAt: number
}

/**
 * PostgreSQL for the use cases. Every method is one statement; transitions are compare-and-set. Where a method takes a
 * project, a session of another one is for it as one that does not exist.
 */
export interface SessionStore {
  /** Claims the pod and writes the PENDING session, both or neither. */
  commitOpen(record: OpenRecord): Promise<CommitOutcome>
  /**
   * The same for sessions that are wanted all or not at all. Opens none of them if a session is there, a pod cannot be
   * claimed, or a project has no room for all of its own. Only a pod that somebody else claims at the same moment leaves
   * its session unopened beside the others; the caller finds another pod for it, or undoes the others.
   */
  commitTogether(records: readonly OpenRecord[]): Promise<readonly TogetherOutcome[]>
  /**
   * The pod of `session.epoch`, if there is one, failed delivery. Retires it and claims the next in one transaction. A
   * session that may have been told of moves only if `session.opener` is the open that its row names.
   */
  commitNextAttempt(
    session: Session,
    next: { pod: SessionPod; epoch: number; reason: string; opener?: string | undefined },
  ): Promise<CommitOutcome>
  /** Starts a session that ended `failed:` again under its key, with a higher epoch and another pod. */
  reopen(session: Session, record: OpenRecord): Promise<CommitOutcome>
  /** Writes a PENDING session without a pod: a new one, or over one that ended `failed:` with a lower epoch. */
  openCold(record: ColdRecord): Promise<ColdOutcome>
  /** Takes over PENDING sessions whose holder is silent; `id`: only this one. */
  adopt(by: string, options: { readonly limit: number; readonly id?: string }): Promise<readonly Session[]>
  /** This replica stops: other replicas may adopt what it holds at once. */
  releaseHeld(by: string): Promise<void>
  /** PENDING → ACTIVE; undefined if the session is no longer PENDING with this epoch. `steps` is for its timeline. */
  activate(id: string, epoch: number, steps?: OpenSteps): Promise<ActivatedTimes | undefined>
  /** PENDING → ENDED `failed:…`; undefined if it was not PENDING with this epoch, or another open answers for it. */
  failOpen(session: Session, reason: EndReason, fate: PodFate): Promise<Session | undefined>
  /** Sessions that are PENDING although their callers may have been told of them, without their metadata; in no order. */
  unsettled(options: UnsettledOptions): Promise<readonly UnsettledSession[]>
  get(id: string, projectId?: string): Promise<Session | undefined>
  /** Those of them that are there, in no order. */
  getMany(ids: readonly string[]): Promise<readonly Session[]>
  /** Without their metadata, which may be large: {@link SessionStore.metadataOf}. */
  list(query: SessionQuery): Promise<readonly Session[]>
  /** The metadata of these sessions as JSON text; those that have none are left out. */
  metadataOf(ids: readonly string[]): Promise<ReadonlyMap<string, string>>
  /**
   * Extends the lease of a live session if this party may (`extendsLease`), else leaves it as it is: `done` either way.
   * Never shortens it. The session comes without its metadata. Any other outcome tells why there was nothing to renew.
   */
  renew(id: string, epoch: number, byAgent?: boolean, projectId?: string): Promise<TransitionOutcome>
  /** PENDING or ACTIVE → ENDING. Without an epoch, any epoch will do. On ENDING or ENDED: `done`. */
  beginEnding(id: string, reason: EndReason, epoch?: number, more?: EndingFacts): Promise<TransitionOutcome>
  /** Notes that the agent of this epoch is in its room; the first note counts. */
  noteAgentJoined(id: string, epoch: number): Promise<TransitionOutcome & { readonly isNew?: boolean }>
  /** Of each of these pools, among its last 1,000 sessions; pools that had none are left out. */
  poolHistory(agentTypes: readonly string[]): Promise<ReadonlyMap<string, PoolOpens>>
}

export interface PoolOpens {
  readonly opened: number
  /** Those of them that did not wait for their pod. */
  readonly warm: number
}

interface UnsettledOptions {
  /** Since the claim of the pod. */
  readonly olderThanMs: number
  readonly limit: number
}

export interface UnsettledSession {
  readonly session: Session
  /** Since the claim of its pod, by PostgreSQL's clock. */
  readonly ageMs: number
}

export interface EndingFacts {
  /** Why, in the agent's own words. */
  readonly detail?: string | undefined
  readonly projectId?: string | undefined
}

export interface SessionQuery {
  readonly status?: SessionStatus
  readonly projectId?: string
  readonly agentType?: string
  /** The id or its beginning (8 digits or more), or the whole name of a pod or room. */
  readonly search?: string
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
  /** The same, and only what tells the states of slots: less to send and to read for thousands of pods. */
  slotClaims(podUids: readonly string[]): Promise<ReadonlyMap<string, SlotClaim>>
  /** Retiring is a claim. Returns the UIDs that are retired now, without those that a session holds. */
  retire(podUids: readonly string[], reason: string): Promise<readonly string[]>
  /**
   * Of pods that say which session they serve, those of which the ledger has never heard: no claim, and no event of that
   * session on that pod. A backup was restored, or this is another database.
   */
  forgotten(served: readonly ServedPod[]): Promise<readonly string[]>
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
   * Deletes claims and notes of pods that have long been gone, and ended sessions that no claim names any more, with those of
   * their events that no partition takes along (`LogPartitions`); at most `limit` rows of each, events apart.
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

/** What each API replica notes every second: that renewals can be taken, and that it takes care of its cold opens. */
export interface ReplicaLiveness {
  note(replica: string): Promise<void>
}

/** Which assign keys each process of the session server can sign with. */
export interface SignerLedger {
  note(instance: string, keyIds: readonly string[]): Promise<void>
  /** The process stops. */
  leave(instance: string): Promise<void>
  /** The keys of each process that was heard in the last `ms`, by the ledger's clock. */
  since(ms: number): Promise<readonly (readonly string[])[]>
}
