import { annotation } from '../../domain/names.ts'
import type { Change } from '../mutate/pod-changes.ts'
import type { PolicyInForce } from '../policy/policy-in-force.ts'
import { greenroomRules } from '../rules/greenroom-rules.ts'
import { type Explanation, explainPod } from './explain-pod.ts'

/** A pod that runs and that the policy in force would not let run as it is. */
export interface PodDrift extends Explanation {
  readonly name: string
  readonly drift: 'change' | 'deny'
}

/** Rules that only write notes on the pod: another version of the same policy is no drift. */
const notes: ReadonlySet<string> = new Set(
  greenroomRules.filter(({ judge, mutate }) => mutate && !judge).map(({ rule }) => rule),
)

/**
 * What the policy would make of a live pod today; undefined if nothing, so a pod that came in through this policy is
 * clean. Mirror pods do not count, because no admission changes them; nor do pods that are being deleted.
 */
export function podDrift(pod: unknown, namespace: string, inForce: PolicyInForce): PodDrift | undefined {
  const { metadata } = pod as { metadata?: LiveMetadata }
  if (metadata?.deletionTimestamp !== undefined) return undefined
  if (metadata?.annotations?.[annotation.mirror] !== undefined) return undefined
  const explanation = explainPod(pod, { namespace, inForce })
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
