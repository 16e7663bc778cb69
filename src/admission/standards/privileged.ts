import { everyContainer } from '../pod/pod.ts'
import { type Rule, type Violation, violationOf } from '../pod/violation.ts'
import { type BarePod, inContainers, type PodSecurityCheck } from './pod-security-check.ts'

export const privileged: PodSecurityCheck = {
  rule: 'privileged',
  title: 'Privileged containers',
  standard: 'baseline',
  reference: 'check_privileged.go',
  fields: [`${everyContainer}.securityContext.privileged`],
  fix: 'Remove it: a privileged container owns its node.',
  mutated: 'no',
  versions: [{ since: 0, allowed: 'false or unset', judge: privilegedContainers }],
}

function privilegedContainers({ containers }: BarePod, rule: Rule): Violation[] {
  return inContainers(containers, ({ securityContext }, path) =>
    securityContext?.privileged === true
      ? violationOf(rule, `${path}.securityContext.privileged`, true)
      : undefined,
  )
}
