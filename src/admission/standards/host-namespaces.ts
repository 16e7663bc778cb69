import { type Rule, type Violation, violationOf } from '../pod/violation.ts'
import type { BarePod, PodSecurityCheck } from './pod-security-check.ts'

export const hostNamespaces: PodSecurityCheck = {
  rule: 'host-namespaces',
  title: 'Host namespaces',
  standard: 'baseline',
  reference: 'check_hostNamespaces.go',
  fields: ['spec.{hostNetwork,hostPID,hostIPC}'],
  fix: "Remove it: agents do not share the node's namespaces.",
  mutated: 'no',
  versions: [{ since: 0, allowed: 'false or unset', judge: sharedNamespaces }],
}

const namespaces = ['hostNetwork', 'hostPID', 'hostIPC'] as const

function sharedNamespaces({ pod }: BarePod, rule: Rule): Violation[] {
  return namespaces
    .filter((field) => pod.spec[field] === true)
    .map((field) => violationOf(rule, `spec.${field}`, true))
}
