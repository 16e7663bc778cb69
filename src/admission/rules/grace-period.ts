import { violationOf } from '../pod/violation.ts'
import type { Check } from './judged-pod.ts'

/**
 * The time an agent has to say goodbye, which the end of a session counts on.
 * Fields: `spec.terminationGracePeriodSeconds`. Allowed: the row's.
 */
export const checkGracePeriod: Check = ({ pod, row }) => {
  if (!row) return []
  const found = pod.spec.terminationGracePeriodSeconds
  const wanted = row.gracePeriodSeconds
  if (found === wanted) return []
  const rule = { rule: 'grace-period', allowed: `${wanted}`, fix: 'Leave it out; the agent type decides.' }
  return [violationOf(rule, 'spec.terminationGracePeriodSeconds', found)]
}
