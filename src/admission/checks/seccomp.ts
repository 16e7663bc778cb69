import type { Check } from '../judged-pod.ts'
import { violationOf } from '../violation.ts'

const rule = {
  rule: 'seccomp',
  allowed: 'RuntimeDefault or Localhost, on the pod or on every container',
  fix: 'Set securityContext.seccompProfile.type to RuntimeDefault.',
}

const allowedTypes: readonly (string | undefined)[] = ['RuntimeDefault', 'Localhost']

/**
 * Pod Security Standard, restricted: seccomp.
 * Fields: `spec.securityContext.seccompProfile.type` and the same of every container.
 * Allowed: RuntimeDefault, Localhost; a container may leave it unset if the pod sets it.
 */
export const checkSeccomp: Check = ({ pod, containers }) => {
  const podType = pod.spec.securityContext?.seccompProfile?.type
  const onPod =
    podType === undefined || allowedTypes.includes(podType)
      ? []
      : [violationOf(rule, 'spec.securityContext.seccompProfile.type', podType)]
  const onContainers = containers.flatMap(({ container, path }) => {
    const type = container.securityContext?.seccompProfile?.type
    return allowedTypes.includes(type ?? podType)
      ? []
      : [violationOf(rule, `${path}.securityContext.seccompProfile.type`, type)]
  })
  return [...onPod, ...onContainers]
}
