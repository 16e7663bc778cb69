import { shown, violationOf } from '../pod/violation.ts'
import type { Check } from './judged-pod.ts'
import { missingExpressions, nodeSelectorTerms } from './scheduling.ts'

/**
 * The nodes that agents may run on.
 * Fields: `spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[*]`.
 * Allowed: at least one term, and the row's `nodeAffinity` in each, for terms are alternatives.
 */
export const checkNodeAffinity: Check = ({ pod, row }) => {
  if (!row || row.nodeAffinity.length === 0) return []
  const rule = {
    rule: 'node-affinity',
    allowed: `terms that hold ${shown(row.nodeAffinity)}`,
    fix: 'Leave it out; the webhook adds it.',
  }
  const at =
    'spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms' as const
  const terms = nodeSelectorTerms(pod.spec.affinity)
  if (terms.length === 0) return [violationOf(rule, at, undefined)]
  return terms.flatMap((term, index) =>
    missingExpressions(term, row.nodeAffinity).length > 0
      ? [violationOf(rule, `${at}[${index}].matchExpressions`, term.matchExpressions)]
      : [],
  )
}
