import { annotation } from '../../domain/names.ts'
import type { Change } from '../mutate/change-rules.ts'
import type { AdmissionContext } from '../rules/expected-fields.ts'
import { type Explanation, explainPod } from './explain-pod.ts'

/** A pod that runs and that the policy in force would not let run as it is. */
export interface PodDrift extends Explanation {
  readonly name: string
  readonly drift: 'change' | 'deny'
}

/** Notes about the pod, not the pod: another version of the same rules is no drift. */
const notes: ReadonlySet<string> = new Set(['policy-version', 'assign-keys'])

/**
 * What the policy would make of a live pod today; undefined if nothing, so that a pod which came in through this policy
 * is clean. Mirror pods are their node's and pass no admission that could change them; one that is being deleted is gone.
 */
export function podDrift(pod: unknown, namespace: string, context: AdmissionContext): PodDrift | undefined {
  const { metadata } = pod as { metadata?: LiveMetadata }
  if (metadata?.deletionTimestamp !== undefined) return undefined
  if (metadata?.annotations?.[annotation.mirror] !== undefined) return undefined
  const explanation = explainPod(pod, { namespace, context })
  const name = metadata?.name ?? ''
  if (explanation.decision === 'denied') return { ...explanation, name, drift: 'deny' }
  const changes = explanation.changes.filter((change: Change) => !notes.has(change.rule))
  return changes.length > 0 ? { ...explanation, changes, name, drift: 'change' } : undefined
}

interface LiveMetadata {
  readonly name?: string
  readonly deletionTimestamp?: string
  readonly annotations?: Readonly<Record<string, string>>
}
