import type { Check } from '../judged-pod.ts'
import { violationOf } from '../violation.ts'

const rule = {
  rule: 'host-ports',
  allowed: '0 or unset',
  fix: 'Remove it: agents are reached at the address of their pod.',
}

/**
 * Pod Security Standard, baseline: host ports.
 * Fields: `spec.{containers,initContainers,ephemeralContainers}[*].ports[*].hostPort`. Allowed: 0, unset.
 */
export const checkHostPorts: Check = ({ containers }) =>
  containers.flatMap(({ container, path }) =>
    (container.ports ?? []).flatMap(({ hostPort = 0 }, index) =>
      hostPort === 0 ? [] : [violationOf(rule, `${path}.ports[${index}].hostPort`, hostPort)],
    ),
  )
