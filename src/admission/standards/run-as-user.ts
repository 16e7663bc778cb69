import { type Rule, type Violation, violationOf } from '../pod/violation.ts'
import {
  type BarePod,
  inContainers,
  inSecurityContexts,
  type PodSecurityCheck,
} from './pod-security-check.ts'

const allowed = 'any user but 0, or unset'

export const runAsUser: PodSecurityCheck = {
  rule: 'run-as-user',
  title: 'Running as user 0',
  standard: 'restricted',
  reference: 'check_runAsUser.go',
  fields: inSecurityContexts('runAsUser'),
  fix: 'Use a user other than root.',
  mutated: 'yes',
  versions: [
    { since: 23, allowed, judge: userZero },
    { since: 35, allowed, except: 'user-namespace', judge: userZero },
  ],
}

function userZero({ pod, containers }: BarePod, rule: Rule): Violation[] {
  const inside = inContainers(containers, ({ securityContext }, path) =>
    securityContext?.runAsUser === 0 ? violationOf(rule, `${path}.securityContext.runAsUser`, 0) : undefined,
  )
  return pod.spec.securityContext?.runAsUser === 0
    ? [violationOf(rule, 'spec.securityContext.runAsUser', 0), ...inside]
    : inside
}
