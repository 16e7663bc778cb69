import { type Rule, type Violation, violationOf } from '../pod/violation.ts'
import {
  type BarePod,
  inContainers,
  inSecurityContexts,
  type PodSecurityCheck,
} from './pod-security-check.ts'

const allowed = 'true, on the pod or on every container'

export const runAsNonRoot: PodSecurityCheck = {
  rule: 'run-as-non-root',
  title: 'Running as non-root',
  standard: 'restricted',
  reference: 'check_runAsNonRoot.go',
  fields: inSecurityContexts('runAsNonRoot'),
  fix: 'Set securityContext.runAsNonRoot to true.',
  mutated: 'yes',
  versions: [
    { since: 0, allowed, judge: maybeRoot },
    { since: 35, allowed, except: 'user-namespace', judge: maybeRoot },
  ],
}

/** A container may leave it to its pod; false is refused wherever it stands. */
function maybeRoot({ pod, containers }: BarePod, rule: Rule): Violation[] {
  const onPod = pod.spec.securityContext?.runAsNonRoot
  const inside = inContainers(containers, ({ securityContext }, path) => {
    const own = securityContext?.runAsNonRoot
    return (own ?? onPod) === true
      ? undefined
      : violationOf(rule, `${path}.securityContext.runAsNonRoot`, own)
  })
  return onPod === false ? [violationOf(rule, 'spec.securityContext.runAsNonRoot', false), ...inside] : inside
}
