import type { Check } from '../judged-pod.ts'
import { violationOf } from '../violation.ts'

const rule = {
  rule: 'probe-host',
  allowed: 'unset',
  fix: "Remove the host: the kubelet probes the pod's own address.",
}

/**
 * Pod Security Standard, baseline since 1.34: hosts in probes and lifecycle handlers (the kubelet would call them).
 * Fields: `{livenessProbe,readinessProbe,startupProbe,lifecycle.postStart,lifecycle.preStop}.{httpGet,tcpSocket}.host`
 * of every container. Allowed: empty, unset.
 */
export const checkProbeHost: Check = ({ containers }) =>
  containers.flatMap(({ container, path }) => {
    const handlers = {
      livenessProbe: container.livenessProbe,
      readinessProbe: container.readinessProbe,
      startupProbe: container.startupProbe,
      'lifecycle.postStart': container.lifecycle?.postStart,
      'lifecycle.preStop': container.lifecycle?.preStop,
    }
    return Object.entries(handlers).flatMap(([name, handler]) =>
      (['httpGet', 'tcpSocket'] as const)
        .filter((kind) => (handler?.[kind]?.host ?? '') !== '')
        .map((kind) => violationOf(rule, `${path}.${name}.${kind}.host`, handler?.[kind]?.host)),
    )
  })
