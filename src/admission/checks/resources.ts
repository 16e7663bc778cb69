import type { Check } from '../judged-pod.ts'
import { sameQuantities } from '../quantity.ts'
import { shown, type Violation, violationOf } from '../violation.ts'

const podLevelRule = {
  rule: 'resources',
  allowed: 'unset',
  fix: "Remove it: the agent type's row decides resources, container by container.",
}

/**
 * Requests and limits are the row's, by value, on every container and init container; none on the pod as a whole.
 * Fields: `spec.{containers,initContainers}[*].resources.{requests,limits}`, `spec.resources`.
 * Allowed: the row's `resources` on the agent container, its `sidecar` on the others.
 */
export const checkResources: Check = ({ pod, containers, agentContainer, standing }) => {
  if (standing.kind !== 'agent' && standing.kind !== 'plain') return []
  const violations: Violation[] = []
  if (pod.spec.resources) violations.push(violationOf(podLevelRule, 'spec.resources', pod.spec.resources))
  for (const { container, path, kind } of containers) {
    if (kind === 'ephemeral') continue
    const wanted = container === agentContainer?.container ? standing.row.resources : standing.row.sidecar
    for (const field of ['requests', 'limits'] as const) {
      const found = container.resources?.[field]
      if (sameQuantities(found, wanted[field])) continue
      const rule = {
        rule: 'resources',
        allowed: shown(wanted[field]),
        fix: 'Leave it out; the agent type decides.',
      }
      violations.push(violationOf(rule, `${path}.resources.${field}`, found))
    }
  }
  return violations
}
