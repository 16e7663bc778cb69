import { everyContainer } from '../pod/pod.ts'
import { type Rule, type Violation, violationOf } from '../pod/violation.ts'
import type { BarePod, PodSecurityCheck } from './pod-security-check.ts'

export const hostPorts: PodSecurityCheck = {
  rule: 'host-ports',
  title: 'Host ports',
  standard: 'baseline',
  reference: 'check_hostPorts.go',
  fields: [`${everyContainer}.ports[*].hostPort`],
  fix: 'Remove it: agents are reached at the address of their pod.',
  mutated: 'no',
  versions: [{ since: 0, allowed: '0 or unset', judge: takenHostPorts }],
}

function takenHostPorts({ containers }: BarePod, rule: Rule): Violation[] {
  const violations: Violation[] = []
  for (const { container, path } of containers) {
    container.ports?.forEach(({ hostPort = 0 }, index) => {
      if (hostPort !== 0) violations.push(violationOf(rule, `${path}.ports[${index}].hostPort`, hostPort))
    })
  }
  return violations
}
