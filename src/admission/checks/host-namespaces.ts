import type { Check } from '../judged-pod.ts'
import { violationOf } from '../violation.ts'

const rule = {
  rule: 'host-namespaces',
  allowed: 'false or unset',
  fix: "Remove it: agents do not share the node's namespaces.",
}

/**
 * Pod Security Standard, baseline: host namespaces.
 * Fields: `spec.hostNetwork`, `spec.hostPID`, `spec.hostIPC`. Allowed: false, unset.
 */
export const checkHostNamespaces: Check = ({ pod }) =>
  (['hostNetwork', 'hostPID', 'hostIPC'] as const)
    .filter((field) => pod.spec[field] === true)
    .map((field) => violationOf(rule, `spec.${field}`, true))
