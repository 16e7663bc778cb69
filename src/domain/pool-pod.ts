import type { AgentPod } from './agent-pod.ts'

/** A pod that the controller created, as it is noted in PostgreSQL (`pool_pods`). */
export interface PoolPod {
  readonly podUid: string
  readonly agentType: string
  /** Of the template that it was made from. The pod's annotation says the same, and others might change that. */
  readonly templateHash: string
  /** Digest of the pod's shape as the create was answered. */
  readonly specDigest: string
}

/**
 * Where a pod with the labels of a pool comes from:
 *
 * - `ours`: noted for this pool, and what runs in it is what was made;
 * - `unconfirmed`: created by this process and not noted yet, so it counts as warming and is offered to nobody;
 * - `unknown`: not noted, seen for a short time only. It may be another leader's, so it is left alone and counts nowhere;
 * - `changed`: noted, and somebody changed it since;
 * - `foreign`: not noted in time, or noted for another pool.
 */
export type PodOrigin = 'ours' | 'unconfirmed' | 'unknown' | 'changed' | 'foreign'

/** An origin, and the template that a noted pod was made from. */
export interface SeenOrigin {
  readonly origin: PodOrigin
  readonly templateHash: string | undefined
}

/**
 * How long a pod may be seen without its note. The note follows the create's answer within milliseconds; the rest is for
 * a leader that is being replaced and writes its last note meanwhile.
 */
export const unnotedGraceMs = 5_000

interface OriginFacts {
  /** The row of this UID. */
  readonly noted: PoolPod | undefined
  /** Created by this process; the row could not be written yet. */
  readonly createdHere: boolean
  /** Since when this process sees the pod without a row, ms. */
  readonly unnotedForMs: number
}

export function podOrigin(
  pod: Pick<AgentPod, 'agentType' | 'specDigest' | 'specChanged'>,
  { noted, createdHere, unnotedForMs }: OriginFacts,
): PodOrigin {
  if (noted) {
    if (noted.agentType !== pod.agentType) return 'foreign'
    return pod.specChanged || pod.specDigest !== noted.specDigest ? 'changed' : 'ours'
  }
  if (createdHere) return 'unconfirmed'
  return unnotedForMs < unnotedGraceMs ? 'unknown' : 'foreign'
}

/** Whether the controller made it. What others make must neither fill the pool nor hold up its refill. */
export function isOwnPod(origin: PodOrigin): boolean {
  return origin !== 'foreign' && origin !== 'unknown'
}

/** Why a pod of this origin is taken out of service; undefined for one that may stay. */
export function originFault(origin: PodOrigin): string | undefined {
  if (origin === 'foreign') return 'not created by the controller'
  return origin === 'changed' ? 'changed after it was created' : undefined
}
