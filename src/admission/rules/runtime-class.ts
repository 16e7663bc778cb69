import { violationOf } from '../pod/violation.ts'
import type { Check } from './judged-pod.ts'

/** The sandbox agents run in. Fields: `spec.runtimeClassName`. Allowed: the row's, if it names one. */
export const checkRuntimeClass: Check = ({ pod, row }) => {
  const wanted = row?.runtimeClassName
  if (wanted === undefined || pod.spec.runtimeClassName === wanted) return []
  const rule = { rule: 'runtime-class', allowed: wanted, fix: 'Leave it out; the webhook sets it.' }
  return [violationOf(rule, 'spec.runtimeClassName', pod.spec.runtimeClassName)]
}
