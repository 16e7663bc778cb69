import { type Container, everyContainer } from '../pod/pod.ts'
import { type Rule, type Violation, violationOf } from '../pod/violation.ts'
import type { BarePod, PodSecurityCheck } from './pod-security-check.ts'

export const probeHost: PodSecurityCheck = {
  rule: 'probe-host',
  title: 'Hosts in probes and lifecycle handlers',
  standard: 'baseline',
  reference: 'check_hostProbesAndhostLifecycle.go',
  fields: [
    `${everyContainer}.{livenessProbe,readinessProbe,startupProbe}.{httpGet,tcpSocket}.host`,
    `${everyContainer}.lifecycle.{postStart,preStop}.{httpGet,tcpSocket}.host`,
  ],
  fix: "Remove the host: the kubelet probes the pod's own address.",
  mutated: 'no',
  versions: [{ since: 34, allowed: 'unset', judge: otherHosts }],
}

/** What the kubelet may be made to call. */
const handlers: readonly (readonly [string, (container: Container) => Container['livenessProbe']])[] = [
  ['livenessProbe', (container) => container.livenessProbe],
  ['readinessProbe', (container) => container.readinessProbe],
  ['startupProbe', (container) => container.startupProbe],
  ['lifecycle.postStart', (container) => container.lifecycle?.postStart],
  ['lifecycle.preStop', (container) => container.lifecycle?.preStop],
]

function otherHosts({ containers }: BarePod, rule: Rule): Violation[] {
  const violations: Violation[] = []
  for (const { container, path } of containers) {
    for (const [name, handlerOf] of handlers) {
      const handler = handlerOf(container)
      if (!handler) continue
      for (const kind of ['httpGet', 'tcpSocket'] as const) {
        const host = handler[kind]?.host ?? ''
        if (host !== '') violations.push(violationOf(rule, `${path}.${name}.${kind}.host`, host))
      }
    }
  }
  return violations
}
