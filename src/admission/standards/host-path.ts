import { type Rule, type Violation, violationOf } from '../pod/violation.ts'
import type { BarePod, PodSecurityCheck } from './pod-security-check.ts'

export const hostPath: PodSecurityCheck = {
  rule: 'host-path',
  title: 'HostPath volumes',
  standard: 'baseline',
  reference: 'check_hostPathVolumes.go',
  fields: ['spec.volumes[*].hostPath'],
  fix: 'Use a volume of another kind: the file system of the node is not for pods.',
  mutated: 'no',
  versions: [{ since: 0, allowed: 'unset', judge: hostPathVolumes }],
}

function hostPathVolumes({ pod }: BarePod, rule: Rule): Violation[] {
  const violations: Violation[] = []
  pod.spec.volumes?.forEach((volume: Readonly<Record<string, unknown>>, index) => {
    if ((volume.hostPath ?? null) === null) return
    violations.push({ ...violationOf(rule, `spec.volumes[${index}].hostPath`, undefined), found: 'set' })
  })
  return violations
}
