import type { AgentPod } from './agent-pod.ts'
import type { PodTrouble } from './pod-trouble.ts'

interface StartBounds {
  /** Epoch ms. */
  readonly now: number
  /** `startDeadlineSeconds` of the pool. */
  readonly startDeadlineMs: number
}

/**
 * The kubelet pulls an image again 10, 30, 70, 150 and 310 s after the first failure, then every 5 minutes, and counts for
 * each pod by itself. So a pod whose image cannot be pulled is replaced before the third gap: a registry that is back is
 * noticed within 20 s, for at most 72 pods an hour.
 */
const pullAgainAfterMs = 50_000

/**
 * Why a pod on its way to Ready counts as failed; undefined while it may still become Ready by itself. The time begins when
 * a node has the pod. A pod that no node has room for never fails: it is what an autoscaler needs, and another pod would
 * wait in its place.
 */
export function startFailureOf(pod: AgentPod, { now, startDeadlineMs }: StartBounds): PodTrouble | undefined {
  const { startingSince, trouble } = pod
  if (startingSince === undefined) return undefined
  const forMs = now - startingSince
  if (trouble?.cause === 'image' && forMs >= pullAgainAfterMs) return trouble
  if (forMs < startDeadlineMs) return undefined
  return (
    trouble ?? { cause: 'deadline', message: `not Ready ${startDeadlineMs / 1_000} s after it got its node` }
  )
}
