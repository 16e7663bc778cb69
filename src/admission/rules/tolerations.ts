import { shown, violationOf } from '../pod/violation.ts'
import type { Check } from './judged-pod.ts'
import { hasToleration } from './scheduling.ts'

/** Taints that agents tolerate. Fields: `spec.tolerations`. Allowed: any list that holds the row's `tolerations`. */
export const checkTolerations: Check = ({ pod, row }) =>
  (row?.tolerations ?? [])
    .filter((wanted) => !hasToleration(pod.spec.tolerations ?? [], wanted))
    .map((wanted) => {
      const rule = {
        rule: 'tolerations',
        allowed: `a list that holds ${shown(wanted)}`,
        fix: 'Leave it out; the webhook adds it.',
      }
      return violationOf(rule, 'spec.tolerations', pod.spec.tolerations)
    })
