import { sameValue } from '../pod/same-value.ts'
import { shown, violationOf } from '../pod/violation.ts'
import type { Check } from './judged-pod.ts'
import { isSameSpread } from './scheduling.ts'

/**
 * How agents are spread over nodes and zones.
 * Fields: `spec.topologySpreadConstraints`. Allowed: any that hold the row's `topologySpreadConstraints`.
 */
export const checkTopologySpread: Check = ({ pod, row }) =>
  (row?.topologySpread ?? []).flatMap((wanted) => {
    const found = (pod.spec.topologySpreadConstraints ?? []).find((given) => isSameSpread(given, wanted))
    if (found && sameValue(found, wanted)) return []
    const rule = {
      rule: 'topology-spread',
      allowed: `constraints that hold ${shown(wanted)}`,
      fix: 'Leave it out; the webhook adds it.',
    }
    return [violationOf(rule, 'spec.topologySpreadConstraints', found)]
  })
