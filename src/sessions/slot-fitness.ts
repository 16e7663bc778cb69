import type { AgentPod } from '../domain/agent-pod.ts'

export type ServablePod = AgentPod & { readonly ip: string }

/** Why a pod that was proposed for an open cannot take it. Label of a metric, so the names never change. */
export type Unfit = 'not-seen' | 'other-type' | 'deleting' | 'dead' | 'not-ready'

/**
 * Whether a pod, as this replica sees it, can take a session of this type now. Redis only proposes: what it says is held
 * against this before PostgreSQL is asked, which in turn knows what nobody sees, claims and the controller's notes.
 */
export function slotFitness(
  agentType: string,
  pod: AgentPod | undefined,
): { readonly pod: ServablePod } | { readonly unfit: Unfit } {
  if (!pod) return { unfit: 'not-seen' }
  if (pod.agentType !== agentType) return { unfit: 'other-type' }
  if (pod.deletingSince !== undefined) return { unfit: 'deleting' }
  if (pod.deadReason !== undefined) return { unfit: 'dead' }
  return isServable(pod) ? { pod } : { unfit: 'not-ready' }
}

/** Whether a pod can take a session of its own type now. */
export function isServable(pod: AgentPod): pod is ServablePod {
  return (
    pod.readySince !== undefined &&
    pod.ip !== undefined &&
    pod.deletingSince === undefined &&
    pod.deadReason === undefined
  )
}
