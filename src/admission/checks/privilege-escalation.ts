import type { Check } from '../judged-pod.ts'
import { violationOf } from '../violation.ts'

const rule = {
  rule: 'privilege-escalation',
  allowed: 'false',
  fix: 'Set securityContext.allowPrivilegeEscalation to false.',
}

/**
 * Pod Security Standard, restricted: privilege escalation.
 * Fields: `spec.{containers,initContainers,ephemeralContainers}[*].securityContext.allowPrivilegeEscalation`.
 * Allowed: false.
 */
export const checkPrivilegeEscalation: Check = ({ containers }) =>
  containers.flatMap(({ container, path }) => {
    const found = container.securityContext?.allowPrivilegeEscalation
    return found === false
      ? []
      : [violationOf(rule, `${path}.securityContext.allowPrivilegeEscalation`, found)]
  })
