import { violationOf } from '../pod/violation.ts'
import type { Check } from './judged-pod.ts'

/** Whom agents act as. Fields: `spec.serviceAccountName`. Allowed: the row's `serviceAccountName`, if it names one. */
export const checkServiceAccountName: Check = ({ pod, row }) => {
  const wanted = row?.serviceAccountName
  if (wanted === undefined || pod.spec.serviceAccountName === wanted) return []
  const rule = { rule: 'service-account-name', allowed: wanted, fix: 'Leave it out; the webhook sets it.' }
  return [violationOf(rule, 'spec.serviceAccountName', pod.spec.serviceAccountName)]
}
