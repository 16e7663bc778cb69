import type { Check } from '../judged-pod.ts'
import { violationOf } from '../violation.ts'

const rule = { rule: 'windows-host-process', allowed: 'false or unset', fix: 'Remove it.' }

/**
 * Pod Security Standard, baseline: Windows HostProcess.
 * Fields: `spec.securityContext.windowsOptions.hostProcess` and the same of every container. Allowed: false, unset.
 */
export const checkWindowsHostProcess: Check = ({ pod, containers }) => {
  const path = 'securityContext.windowsOptions.hostProcess'
  return [
    ...(pod.spec.securityContext?.windowsOptions?.hostProcess === true
      ? [violationOf(rule, `spec.${path}`, true)]
      : []),
    ...containers
      .filter(({ container }) => container.securityContext?.windowsOptions?.hostProcess === true)
      .map((placed) => violationOf(rule, `${placed.path}.${path}`, true)),
  ]
}
