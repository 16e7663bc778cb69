import type { AgentPod } from '../agent-pod.ts'
import type { SessionStatus } from '../session.ts'
import type { ClaimPurpose } from '../slot.ts'

/** What was read at one moment. A store that could not be read is undefined; nothing is concluded from its absence. */
export interface InvariantSnapshot {
  readonly pods: SeenPods | undefined
  readonly ledger: SeenLedger | undefined
  readonly index: readonly SeenPoolIndex[] | undefined
}

/** Kubernetes: every pod of a pool, Terminating ones too. */
export interface SeenPods {
  /** Epoch ms of the reader's clock. */
  readonly nowMs: number
  readonly pods: readonly AgentPod[]
}

/**
 * PostgreSQL, one snapshot. Rows may be left out where there are too many, but never half of a pair: the claims of all
 * listed sessions' pods and the sessions of all listed claims are here.
 */
export interface SeenLedger {
  /** Epoch ms of PostgreSQL's clock, as all its times. */
  readonly nowMs: number
  /** Of all pods that exist, and of the sessions listed. */
  readonly claims: readonly SeenClaim[]
  /** Sessions that are not ENDED, that ended lately, or that the claims name. */
  readonly sessions: readonly SeenSession[]
  /**
   * The agent types for which pods are noted, by UID: of all pods that exist, and of the sessions listed. undefined while
   * pods of a version that noted nothing may be in use.
   */
  readonly noted: ReadonlyMap<string, string> | undefined
  /** Projects whose count of sessions is wrong. */
  readonly miscounted: readonly SeenMiscount[]
}

export interface SeenMiscount {
  readonly projectId: string
  readonly counted: number
  /** Sessions that are not ENDED. */
  readonly sessions: number
}

export interface SeenClaim {
  readonly podUid: string
  readonly purpose: ClaimPurpose
  readonly sessionId: string | undefined
  readonly epoch: number | undefined
  readonly claimedAt: number
}

export interface SeenSession {
  readonly id: string
  readonly status: SessionStatus
  readonly agentType: string
  readonly epoch: number
  /** undefined while a cold open waits for its pod. */
  readonly podUid: string | undefined
  readonly leaseExpiresAt: number
  /** PENDING, and its caller may have been told of it: as good as ACTIVE. */
  readonly mayBeTold: boolean
  readonly createdAt: number
  readonly activeAt: number | undefined
  readonly endingAt: number | undefined
  readonly endedAt: number | undefined
}

/** Redis: one pool, read in one transaction. */
export interface SeenPoolIndex {
  readonly agentType: string
  /** Epoch ms of Redis' clock. */
  readonly nowMs: number
  readonly ready: readonly string[]
  readonly reservations: readonly SeenReservation[]
}

export interface SeenReservation {
  readonly sessionId: string
  readonly attempt: number
  readonly podUid: string
  /** Epoch ms of Redis' clock; undefined: it never lapses. */
  readonly expiresAt: number | undefined
}

/** Ports of the two stores. Each reads one moment, and throws GreenroomError when its store does not answer in time. */
export interface LedgerReader {
  /** `podUids`: the pods that exist. */
  read(podUids: readonly string[]): Promise<SeenLedger>
}
export interface IndexReader {
  /** Every pool that Redis has keys of. */
  pools(): Promise<readonly string[]>
  read(agentTypes: readonly string[]): Promise<readonly SeenPoolIndex[]>
}
