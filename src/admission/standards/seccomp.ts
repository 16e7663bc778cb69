import type { Rule, Violation } from '../pod/violation.ts'
import {
  type BarePod,
  inContainers,
  inSecurityContexts,
  type PodSecurityCheck,
} from './pod-security-check.ts'
import { hasOtherSeccomp, seccompBaseline, seccompTypes, seccompViolation } from './seccomp-baseline.ts'

const allowed = `${seccompTypes}, on the pod or on every container`

export const seccomp: PodSecurityCheck = {
  rule: 'seccomp',
  title: 'Seccomp',
  standard: 'restricted',
  reference: 'check_seccompProfile_restricted.go',
  fields: inSecurityContexts('seccompProfile.type'),
  fix: 'Set securityContext.seccompProfile.type to RuntimeDefault.',
  mutated: 'yes',
  overrides: seccompBaseline,
  versions: [
    { since: 19, allowed, judge: missingOrOther },
    { since: 25, allowed, except: 'windows', judge: missingOrOther },
  ],
}

/** A container may leave the profile to its pod. */
function missingOrOther({ pod, containers }: BarePod, rule: Rule): Violation[] {
  const { securityContext } = pod.spec
  const isOther = hasOtherSeccomp(securityContext)
  const isOnPod = securityContext?.seccompProfile !== undefined && !isOther
  const inside = inContainers(containers, (container, path) => {
    const own = container.securityContext
    const isFine = own?.seccompProfile === undefined ? isOnPod : !hasOtherSeccomp(own)
    return isFine ? undefined : seccompViolation(rule, path, own)
  })
  return isOther ? [seccompViolation(rule, 'spec', securityContext), ...inside] : inside
}
