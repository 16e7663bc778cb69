import { everyContainer } from '../pod/pod.ts'
import { type Rule, type Violation, violationOf } from '../pod/violation.ts'
import { type BarePod, inContainers, type PodSecurityCheck } from './pod-security-check.ts'

export const privilegeEscalation: PodSecurityCheck = {
  rule: 'privilege-escalation',
  title: 'Privilege escalation',
  standard: 'restricted',
  reference: 'check_allowPrivilegeEscalation.go',
  fields: [`${everyContainer}.securityContext.allowPrivilegeEscalation`],
  fix: 'Set securityContext.allowPrivilegeEscalation to false.',
  mutated: 'yes',
  versions: [
    { since: 8, allowed: 'false', judge: maybeEscalating },
    { since: 25, allowed: 'false', except: 'windows', judge: maybeEscalating },
  ],
}

function maybeEscalating({ containers }: BarePod, rule: Rule): Violation[] {
  return inContainers(containers, ({ securityContext }, path) => {
    const found = securityContext?.allowPrivilegeEscalation
    return found === false
      ? undefined
      : violationOf(rule, `${path}.securityContext.allowPrivilegeEscalation`, found)
  })
}
