import { violationOf } from '../pod/violation.ts'
import type { Check } from './judged-pod.ts'

/** Who goes before agents. Fields: `spec.priorityClassName`. Allowed: the row's, if it names one. */
export const checkPriorityClass: Check = ({ pod, row }) => {
  const wanted = row?.priorityClassName
  if (wanted === undefined || pod.spec.priorityClassName === wanted) return []
  const rule = { rule: 'priority-class', allowed: wanted, fix: 'Leave it out; the webhook sets it.' }
  return [violationOf(rule, 'spec.priorityClassName', pod.spec.priorityClassName)]
}
