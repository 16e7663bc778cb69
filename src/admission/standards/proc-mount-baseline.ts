import { everyContainer } from '../pod/pod.ts'
import { type Rule, type Violation, violationOf } from '../pod/violation.ts'
import { type BarePod, inContainers, type PodSecurityCheck } from './pod-security-check.ts'

export const procMountBaseline: PodSecurityCheck = {
  rule: 'proc-mount-baseline',
  title: '/proc mount type',
  standard: 'baseline',
  reference: 'check_procMount_baseline.go',
  fields: [`${everyContainer}.securityContext.procMount`],
  fix: 'Remove it.',
  mutated: 'no',
  versions: [
    { since: 0, allowed: 'Default or unset', judge: unmaskedProc },
    { since: 35, allowed: 'Default or unset', except: 'user-namespace', judge: unmaskedProc },
  ],
}

export function unmaskedProc({ containers }: BarePod, rule: Rule): Violation[] {
  return inContainers(containers, ({ securityContext }, path) => {
    const found = securityContext?.procMount ?? 'Default'
    return found === 'Default' ? undefined : violationOf(rule, `${path}.securityContext.procMount`, found)
  })
}
