import type { AgentPod } from './agent-pod.ts'
import type { SlotView } from './pool-observation.ts'
import type { PodOrigins, PoolRevision, PoolShape, RolloutOrder } from './pool-revision.ts'
import type { RolloutSpec } from './rollout-spec.ts'

/**
 * What a roll-out does, by what is kept of the pool's revisions. Its phases:
 *
 * - `rolling`: new pods are made from the document; idle pods of other revisions are replaced step by step. Once none is
 *   left there is nothing to do.
 * - `canary`: as many new pods as the canary has are made beside the idle ones; every other new pod is made from the last
 *   good template. Nothing is replaced until the canary has passed.
 * - `stopped`: the canary failed. New pods are made from the last good template, and idle pods of the failed one replaced.
 * - `paused`: nothing is replaced.
 * - `undone`: as `rolling`, towards the template before, until the document's template is another.
 */
export type RolloutPhase = 'rolling' | 'canary' | 'stopped' | 'paused' | 'undone'

export interface Rollout {
  readonly phase: RolloutPhase
  readonly current: PoolRevision
  /** What pods are made from that are no canary. */
  readonly main: { readonly templateHash: string; readonly shape: PoolShape; readonly isProven: boolean }
  /** Only in phase `canary`. */
  readonly canary: RolloutSpec['canary'] | undefined
  /** False while no idle pod is to be replaced. */
  readonly rolls: boolean
  /** Whether the pod is to be replaced; `madeFrom` is the hash of its template. */
  readonly isDrifted: (pod: AgentPod, madeFrom: string | undefined) => boolean
}

interface RolloutFacts {
  readonly spec: RolloutSpec
  /** The revision of the document, the policy and the keys in force. */
  readonly current: PoolRevision
  readonly revisions: readonly PoolRevision[]
  readonly order: RolloutOrder
  /** Epoch ms. */
  readonly now: number
}

/**
 * The webhook's replicas and the API server's caches hear of a change up to 10 s later than the controller. Until this time
 * no pod is replaced for its row or its key, and afterwards none that was made later: it was shaped so on purpose, or by a
 * webhook that cannot hear. So each pod is replaced once at most.
 */
const settledAfterMs = 15_000

export function rolloutOf({ spec, current, revisions, order, now }: RolloutFacts): Rollout {
  const pinned = revisions.find(({ templateHash }) => templateHash === order.pinnedHash)
  const plain = {
    current,
    canary: undefined,
    rolls: true,
    isDrifted: driftFrom(current, current.templateHash, now),
  }
  const own = mainOf(current, revisions)
  if (pinned && order.undoneHash === current.templateHash) {
    const isDrifted = driftFrom(current, pinned.templateHash, now)
    const main = mainOf(pinned, revisions)
    const isPaused = spec.paused || order.paused
    return { ...plain, phase: isPaused ? 'paused' : 'undone', main, rolls: !isPaused, isDrifted }
  }
  const stable = lastGood(revisions, current)
  const main = current.verdict === 'good' || !stable ? own : mainOf(stable, revisions)
  if (spec.paused || order.paused) return { ...plain, phase: 'paused', rolls: false, main }
  const canary = stable && canaryOf(spec, current, stable)
  if (!canary || current.verdict === 'good') return { ...plain, phase: 'rolling', main: own }
  if (current.verdict === 'trial') {
    const isDrifted: Rollout['isDrifted'] = (pod, madeFrom) =>
      madeFrom !== current.templateHash || !isShapedAlike(pod, current)
    return { ...plain, phase: 'canary', rolls: false, main, canary, isDrifted }
  }
  // A row or a key is not ours to choose: only a template can be gone back to.
  if (stable.templateHash === current.templateHash) return { ...plain, phase: 'stopped', rolls: false, main }
  const isDrifted: Rollout['isDrifted'] = (_pod, madeFrom) => madeFrom !== stable.templateHash
  return { ...plain, phase: 'stopped', main, isDrifted }
}

/**
 * A template that nobody has seen start gets one pod at a time, and nothing else would refill the pool meanwhile: so one pod
 * of it is made beside those of the last good template.
 */
const firstPod = { pods: 1, seconds: 1 }

function canaryOf(
  { canary }: RolloutSpec,
  current: PoolRevision,
  stable: PoolRevision,
): RolloutSpec['canary'] | undefined {
  if (canary) return canary.pods > 0 ? canary : undefined
  return stable.templateHash === current.templateHash ? undefined : firstPod
}

/** The latest revision that has shown that it works. */
export function lastGood(
  revisions: readonly PoolRevision[],
  current: PoolRevision,
): PoolRevision | undefined {
  return revisions
    .filter(({ verdict, revision }) => verdict === 'good' && revision !== current.revision)
    .reduce<PoolRevision | undefined>(
      (latest, one) => (latest && latest.currentSince >= one.currentSince ? latest : one),
      undefined,
    )
}

function mainOf({ templateHash, shape }: PoolRevision, revisions: readonly PoolRevision[]): Rollout['main'] {
  const isProven = revisions.some((one) => one.templateHash === templateHash && one.verdict === 'good')
  return { templateHash, shape, isProven }
}

function driftFrom(current: PoolRevision, templateHash: string, now: number): Rollout['isDrifted'] {
  const settledAt = current.currentSince + settledAfterMs
  return (pod, madeFrom) =>
    madeFrom !== templateHash ||
    (now >= settledAt && pod.createdAt < settledAt && !isShapedAlike(pod, current))
}

/** What is not known, or noted by another version of Greenroom, is no difference. */
function isShapedAlike(
  { policyDigest, assignKeyIds }: AgentPod,
  current: Pick<PodOrigins, 'policyDigest' | 'assignKeyId'>,
): boolean {
  const isSameRow =
    policyDigest === undefined ||
    current.policyDigest === undefined ||
    versionOf(policyDigest) !== versionOf(current.policyDigest) ||
    policyDigest === current.policyDigest
  return isSameRow && (current.assignKeyId === undefined || assignKeyIds.includes(current.assignKeyId))
}

function versionOf(digest: string): string {
  return digest.slice(0, digest.indexOf('-'))
}

export interface CanaryState {
  readonly verdict: PoolRevision['verdict']
  readonly reason: string | undefined
  /** Canary pods that served a session, those of earlier looks included. */
  readonly served: readonly string[]
  /** Canary pods that served, or have been Ready for long enough. */
  readonly passed: number
  /** Canary pods that are there or have served. */
  readonly made: number
}

/** By then a kubelet has tried a second time to pull the image or to make the container. */
const stuckAfterMs = 15_000
/** What says nothing about the revision. */
const blameless: readonly string[] = ['node', 'unschedulable']

/** How the canary stands. A pod that failed its delivery, died or did not start fails it at once. */
export function judgeCanary(
  { current, canary }: Pick<Rollout, 'current' | 'canary'>,
  slots: readonly SlotView[],
  now: number,
): CanaryState {
  const fresh = slots.filter(({ drifted, origin }) => !drifted && origin === 'ours')
  const served = new Set(current.served)
  for (const { podUid, claim } of fresh) if (hasServed(claim)) served.add(podUid)
  const living = fresh.filter(({ state }) => state === 'warming' || state === 'ready' || state === 'claimed')
  const lasting = living.filter(
    ({ podUid, readySince }) =>
      readySince !== undefined && !served.has(podUid) && now - readySince >= (canary?.seconds ?? 0) * 1_000,
  )
  const passed = served.size + lasting.length
  const made = served.size + living.filter(({ podUid }) => !served.has(podUid)).length
  const counts = { served: [...served], passed, made }
  const reason = fresh.flatMap((slot) => canaryFailure(slot, now) ?? [])[0]
  if (reason !== undefined) return { ...counts, verdict: 'failed', reason }
  return { ...counts, verdict: passed >= (canary?.pods ?? 0) ? 'good' : 'trial', reason: undefined }
}

/** An ACTIVE session has been accepted by its pod. */
function hasServed(claim: SlotView['claim']): boolean {
  return claim?.purpose === 'session' && ['ACTIVE', 'ENDING', 'ENDED'].includes(claim.sessionStatus ?? '')
}

function canaryFailure({ state, claim, trouble, deadReason, createdAt }: SlotView, now: number) {
  if (claim?.purpose === 'retired' && claim.sessionId !== undefined)
    return `a pod did not take its session: ${claim.reason ?? 'delivery failed'}`
  if (claim || blameless.includes(trouble?.cause ?? '')) return undefined
  if (state === 'failed')
    return trouble ? `${trouble.cause}: ${trouble.message}` : (deadReason ?? 'a pod ended')
  const isStuck = state === 'warming' && trouble && now - createdAt >= stuckAfterMs
  return isStuck ? `${trouble.cause}: ${trouble.message}` : undefined
}
