import { canonicalJson } from './canonical-json.ts'
import type { PoolSpec } from './pool.ts'
import { versionHash } from './version-hash.ts'

/** What a pod is made from besides the pool's numbers: kept, so that a roll-out can be undone. */
export type PoolShape = Pick<PoolSpec, 'template' | 'labels' | 'annotations'>

export function shapeOf({ template, labels, annotations }: PoolSpec): PoolShape {
  return { template, ...(labels && { labels }), ...(annotations && { annotations }) }
}

/** Everything that a pod was made from. The webhook notes the last two on the pod. */
export interface PodOrigins {
  readonly templateHash: string
  /** Of the policy's row, `secretsVersion` included; undefined while no policy is known. */
  readonly policyDigest: string | undefined
  /** The newest public key for assignments; undefined while none is known. */
  readonly assignKeyId: string | undefined
}

/**
 * `trial` until it has shown that it works: by its canary pods, or without a canary by its first Ready pod. `failed`: its
 * canary failed.
 */
export type RevisionVerdict = 'trial' | 'good' | 'failed'

/** A row of `pool_revisions`. Times are epoch ms of PostgreSQL's clock. */
export interface PoolRevision extends PodOrigins {
  readonly revision: string
  readonly shape: PoolShape
  readonly firstSeen: number
  /** Since when it is what new pods are made from; of several the latest is current. */
  readonly currentSince: number
  readonly verdict: RevisionVerdict
  readonly reason: string | undefined
  /** Canary pods that served a session. */
  readonly served: readonly string[]
}

/** What people asked for; it outlives every controller. */
export interface RolloutOrder {
  readonly paused: boolean
  /** While the document has this template, pods are made from the pinned one. */
  readonly undoneHash: string | undefined
  readonly pinnedHash: string | undefined
}

export function revisionOf({ templateHash, policyDigest, assignKeyId }: PodOrigins): string {
  return versionHash(canonicalJson([templateHash, policyDigest ?? '', assignKeyId ?? '']))
}
