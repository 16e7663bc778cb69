import type { AgentPod } from './agent-pod.ts'
import type { Assignment, AssignmentEcho, ConfirmQuestion, EndOrder } from './assignment.ts'
import type { DocumentStatus } from './document-status.ts'
import type { PodWriteError } from './pod-write-error.ts'
import type { PoolsDocument } from './pool.ts'
import type { SessionPod } from './session.ts'
import type { TraceContext } from './trace-context.ts'

/**
 * What use cases and controllers need of Kubernetes and of the agents in it.
 * Adapters implement these ports; only `roles/` and `cli/` know both sides.
 */

/** The public assign keys, as they are stored now. */
export interface PublicKeySet {
  read(): Promise<StoredKeySet | undefined>
}

export interface StoredKeySet {
  /** A JWK Set, newest first. Nobody has checked it. */
  readonly text: string
  readonly uid: string | undefined
  /** Throws if the set has changed since it was read, or if this process may not make this change. */
  replace(text: string): Promise<void>
}

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
  /** Changes the requests of the agent container in place. False if the pod is gone. */
  resize(pod: { uid: string; name: string }, requests: Readonly<Record<string, string>>): Promise<boolean>
  /** Marks a retired pod that is kept for a look. False if the pod is gone. */
  labelFailed(pod: { uid: string; name: string }, words: string): Promise<boolean>
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

export type DeliveryOutcome =
  | { readonly kind: 'accepted'; readonly echo: AssignmentEcho }
  /** The pod answered, but refused, or its answer names another pod, session or epoch. `code`: that of its problem. */
  | { readonly kind: 'refused'; readonly reason: string; readonly code?: string | undefined }
  /** No answer in time, or no connection. `untouched`: not one byte of the assignment was sent. */
  | { readonly kind: 'unreachable'; readonly reason: string; readonly untouched?: true }

export type Confirmation =
  /** The pod has acknowledged this session in this epoch. */
  | { readonly kind: 'held' }
  /** It has not, and if it was asked to seal itself it never will; or its agent never said that it confirms. */
  | { readonly kind: 'denied'; readonly reason: string }
  /** Nobody can tell. */
  | { readonly kind: 'unknown'; readonly reason: string }

export interface AgentDelivery {
  /**
   * Signs an assignment and begins to connect, for an {@link assign} of the very same content that will probably follow in a
   * moment. Nothing is sent. Returns what must be called if none follows; afterwards it does nothing.
   */
  prepare(pod: SessionPod & { assignKeyIds: readonly string[] }, assignment: Assignment): () => void
  assign(
    pod: SessionPod & { assignKeyIds: readonly string[] },
    assignment: Assignment,
    deadlineMs: number,
    /** Of the request; with tracing the delivery's own place in it goes to the pod. */
    trace?: TraceContext,
  ): Promise<DeliveryOutcome>
  /** Asks whether the pod serves a session. The question assigns nothing. */
  confirm(
    pod: SessionPod & { assignKeyIds: readonly string[] },
    question: ConfirmQuestion,
  ): Promise<Confirmation>
  /** Best effort, because the pod is deleted anyway. */
  end(pod: SessionPod & { assignKeyIds: readonly string[] }, order: EndOrder): Promise<DeliveryOutcome>
}
