import type { Check } from '../judged-pod.ts'
import { violationOf } from '../violation.ts'

const rule = {
  rule: 'privileged',
  allowed: 'false or unset',
  fix: 'Remove it: a privileged container owns its node.',
}

/**
 * Pod Security Standard, baseline: privileged containers.
 * Fields: `spec.{containers,initContainers,ephemeralContainers}[*].securityContext.privileged`.
 * Allowed: false, unset.
 */
export const checkPrivileged: Check = ({ containers }) =>
  containers
    .filter(({ container }) => container.securityContext?.privileged === true)
    .map(({ path }) => violationOf(rule, `${path}.securityContext.privileged`, true))
