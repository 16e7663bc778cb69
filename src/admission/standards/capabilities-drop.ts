import { everyContainer } from '../pod/pod.ts'
import { type Rule, type Violation, violationOf } from '../pod/violation.ts'
import { type BarePod, inContainers, type PodSecurityCheck } from './pod-security-check.ts'

const allowed = 'a list that holds ALL'

export const capabilitiesDrop: PodSecurityCheck = {
  rule: 'capabilities-drop',
  title: 'Dropped capabilities',
  standard: 'restricted',
  reference: 'check_capabilities_restricted.go',
  fields: [`${everyContainer}.securityContext.capabilities.drop`],
  fix: 'Drop ALL capabilities.',
  mutated: 'yes',
  versions: [
    { since: 22, allowed, judge: keptCapabilities },
    { since: 25, allowed, except: 'windows', judge: keptCapabilities },
  ],
}

function keptCapabilities({ containers }: BarePod, rule: Rule): Violation[] {
  return inContainers(containers, ({ securityContext }, path) => {
    const drop = securityContext?.capabilities?.drop
    return drop?.includes('ALL')
      ? undefined
      : violationOf(rule, `${path}.securityContext.capabilities.drop`, drop)
  })
}
