import type { Check } from '../judged-pod.ts'
import { violationOf } from '../violation.ts'

const rule = { rule: 'proc-mount', allowed: 'Default or unset', fix: 'Remove it.' }

/**
 * Pod Security Standard, baseline: /proc mount type.
 * Fields: `spec.{containers,initContainers,ephemeralContainers}[*].securityContext.procMount`.
 * Allowed: Default, unset.
 */
export const checkProcMount: Check = ({ containers }) =>
  containers.flatMap(({ container, path }) => {
    const found = container.securityContext?.procMount ?? 'Default'
    return found === 'Default' ? [] : [violationOf(rule, `${path}.securityContext.procMount`, found)]
  })
