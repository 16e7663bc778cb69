import type { Check } from '../judged-pod.ts'
import { violationOf } from '../violation.ts'

const rule = {
  rule: 'run-as-user',
  allowed: 'any user but 0, or unset',
  fix: 'Use a user other than root.',
}

/**
 * Pod Security Standard, restricted: running as non-root user.
 * Fields: `spec.securityContext.runAsUser` and the same of every container. Allowed: any but 0, unset.
 */
export const checkRunAsUser: Check = ({ pod, containers }) => [
  ...(pod.spec.securityContext?.runAsUser === 0
    ? [violationOf(rule, 'spec.securityContext.runAsUser', 0)]
    : []),
  ...containers
    .filter(({ container }) => container.securityContext?.runAsUser === 0)
    .map(({ path }) => violationOf(rule, `${path}.securityContext.runAsUser`, 0)),
]
