import type { SecurityContext } from '../pod/pod.ts'
import { sameValue } from '../pod/same-value.ts'
import { shown, type Violation, violationOf } from '../pod/violation.ts'
import { containerSecurity, podSecurity } from './expected-fields.ts'
import type { Check } from './judged-pod.ts'

/**
 * The part of the security context that no mode relaxes, exactly: `runAsNonRoot`, `seccompProfile` of the pod;
 * `runAsNonRoot`, `allowPrivilegeEscalation`, `seccompProfile` of every container and init container. Ephemeral
 * containers are for debugging: restricted is enough for them.
 */
export const checkSecurityContext: Check = ({ pod, containers }) => [
  ...differences(pod.spec.securityContext, podSecurity, 'spec'),
  ...containers
    .filter(({ kind }) => kind !== 'ephemeral')
    .flatMap(({ container, path }) => differences(container.securityContext, containerSecurity, path)),
]

function differences(found: SecurityContext | undefined, wanted: SecurityContext, path: string): Violation[] {
  return (Object.keys(wanted) as (keyof SecurityContext)[])
    .filter((field) => !sameValue(found?.[field], wanted[field]))
    .map((field) => {
      const rule = {
        rule: 'security-context',
        allowed: shown(wanted[field]),
        fix: 'Leave it out; the webhook sets it.',
      }
      return violationOf(rule, `${path}.securityContext.${field}`, found?.[field])
    })
}
