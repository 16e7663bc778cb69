import type { AgentPod } from './agent-pod.ts'
import type { Caller } from './caller.ts'
import type { UsageSum, UsageWindow } from './pod-life.ts'
import type { PoolPod } from './pool-pod.ts'
import type { PodOrigins, PoolRevision, RolloutOrder } from './pool-revision.ts'

/**
 * What use cases and controllers need of PostgreSQL for the pods of pools: where they come from, and what they cost.
 * Adapters implement these ports; only `roles/` and `cli/` know both sides.
 */

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

/** What people order of a roll-out. `resume` also tries a failed revision again, and takes an undo back. */
export type RolloutChange =
  | { readonly kind: 'pause' }
  | { readonly kind: 'resume' }
  | { readonly kind: 'undo'; readonly undoneHash: string; readonly pinnedHash: string }

/** PostgreSQL's memory of what the pods of each pool are made from. API replicas order, the controller does the rest. */
export interface PoolRevisions {
  /** The latest current revision first. */
  read(
    agentType: string,
  ): Promise<{ readonly revisions: readonly PoolRevision[]; readonly order: RolloutOrder }>
  /** New pods are made from it from now on. */
  makeCurrent(
    agentType: string,
    revision: Pick<PoolRevision, 'revision' | 'shape' | keyof PodOrigins>,
  ): Promise<void>
  judge(
    agentType: string,
    revision: string,
    found: Pick<PoolRevision, 'verdict' | 'reason' | 'served'>,
  ): Promise<void>
  /** With `by`, who ordered it is in the audit log if the order is. */
  order(agentType: string, order: RolloutChange, by: Pick<Caller, 'kind' | 'id'>): Promise<void>
  /** The pool no longer exists. */
  forget(agentType: string): Promise<void>
}

/**
 * What the controller knows of one pod's life. How long ago something happened is measured by its monotonic clock, and
 * PostgreSQL takes that from its own time, so that lives and sessions have one clock. The `At` times are the API server's.
 */
export interface PodLifeNote {
  readonly podUid: string
  readonly agentType: string
  /** Its creationTimestamp, which has whole seconds. Used only if nothing better is known. */
  readonly createdAt: number
  readonly createdAgoMs: number | undefined
  readonly readyAgoMs: number | undefined
  /** Its deletionTimestamp. */
  readonly deletingAt: number | undefined
  readonly goneAgoMs: number | undefined
  /** By how much `goneAgoMs` may be wrong, ms; 0 if an event told of it at once. */
  readonly goneInexactMs: number
}

/** A pod that exists. */
export type PresentPod = Pick<AgentPod, 'uid' | 'agentType' | 'createdAt' | 'readySince'>

/** PostgreSQL's record of when each pod existed and for which session: what usage is counted from. */
export interface PodLifeLedger {
  /** Adds what is new; what is known of a life already stays as it is. */
  note(lives: readonly PodLifeNote[]): Promise<void>
  /** Makes the open lives equal to the pods that exist: begins those that are missing and ends those of other pods. */
  compare(present: readonly PresentPod[], view: LivesView): Promise<ComparedLives>
  /** Notes that the open lives still are the pods that exist. */
  noteLooked(): Promise<void>
  /** Copies the sessions of pods that are gone; at most `limit`. Returns how many. */
  settle(limit: number): Promise<number>
  /** Deletes lives that ended `afterMs` ago; at most `limit`. Returns how many. */
  purge(options: { readonly afterMs: number; readonly limit: number }): Promise<number>
}
interface LivesView {
  /** UIDs of absent pods that are not ended: created and not shown by the informer yet, or their end is still to be noted. */
  readonly open: readonly string[]
  /** How long ago this process listed all pods first. It was told by events of everything since. */
  readonly listedAgoMs: number
}
interface ComparedLives {
  readonly begun: number
  readonly ended: number
}

/** What the record of lives covers. Epoch ms of PostgreSQL's clock. */
export interface UsageCoverage {
  readonly now: number
  /** Every pod that existed after it is recorded; undefined until a controller has led. -Infinity in a database that never had other pods. */
  readonly completeSince: number | undefined
}

/** PostgreSQL for the usage report. It reads only. */
export interface UsageReader {
  coverage(): Promise<UsageCoverage>
  /** Lives cut to the window and added up, as `sumLives` does it; at most `limit` sums. */
  sums(
    window: UsageWindow,
    options: { readonly byProject: boolean; readonly limit: number },
  ): Promise<readonly UsageSum[]>
}
