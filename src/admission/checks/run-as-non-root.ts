import type { Check } from '../judged-pod.ts'
import { violationOf } from '../violation.ts'

const rule = {
  rule: 'run-as-non-root',
  allowed: 'true, on the pod or on every container',
  fix: 'Set securityContext.runAsNonRoot to true.',
}

/**
 * Pod Security Standard, restricted: running as non-root.
 * Fields: `spec.securityContext.runAsNonRoot` and the same of every container.
 * Allowed: true; a container may leave it unset if the pod sets it. False is refused wherever it stands.
 */
export const checkRunAsNonRoot: Check = ({ pod, containers }) => {
  const onPod = pod.spec.securityContext?.runAsNonRoot
  const violations = onPod === false ? [violationOf(rule, 'spec.securityContext.runAsNonRoot', false)] : []
  for (const { container, path } of containers) {
    const own = container.securityContext?.runAsNonRoot
    if ((own ?? onPod) !== true)
      violations.push(violationOf(rule, `${path}.securityContext.runAsNonRoot`, own))
  }
  return violations
}
