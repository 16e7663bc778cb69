import type { Container } from '../pod/pod.ts'
import { sameQuantity } from '../pod/quantity.ts'
import { shown, type Violation, violationOf } from '../pod/violation.ts'
import type { WantedResource, WantedResources } from '../policy/effective-row.ts'
import { isInRange, unnamed } from './container-resources.ts'
import type { Check } from './judged-pod.ts'

const podLevelRule = {
  rule: 'resources',
  allowed: 'unset',
  fix: "Remove it: the agent type's row decides resources, container by container.",
}

/**
 * Requests and limits are the row's, by value, on every container and init container; none on the pod as a whole.
 * Fields: `spec.{containers,initContainers}[*].resources.{requests,limits}`, `spec.resources`.
 * Allowed: the row's `resources` on the agent container, its `sidecar` on the others; where these have `min` or `max`,
 * what lies between (rule resource-range), the request not above the limit; nothing that the row does not name.
 */
export const checkResources: Check = ({ pod, containers, agentContainer, row }) => {
  if (!row) return []
  const violations: Violation[] = []
  if (pod.spec.resources) violations.push(violationOf(podLevelRule, 'spec.resources', pod.spec.resources))
  for (const { container, path, kind } of containers) {
    if (kind === 'ephemeral') continue
    const wanted = container === agentContainer?.container ? row.resources : row.sidecar
    for (const field of fields) {
      violations.push(...beyond(container, wanted, `${path}.resources.${field}`, field))
    }
    for (const field of fields) {
      const violation = imposed(container, wanted, `${path}.resources.${field}`, field)
      if (violation) violations.push(violation)
    }
    for (const resource of wanted) {
      const violation = outOfRange(container, resource, path)
      if (violation) violations.push(violation)
    }
  }
  return violations
}

const fields = ['requests', 'limits'] as const
type Field = (typeof fields)[number]

/** Nobody may give a pod what its row does not speak of; taking it away silently would start another program. */
function beyond({ resources }: Container, wanted: WantedResources, path: string, field: Field): Violation[] {
  return Object.entries(unnamed(resources?.[field], wanted)).map(([name, quantity]) =>
    violationOf(beyondRule, `${path}[${name}]`, quantity),
  )
}

const beyondRule = {
  rule: 'resource-range',
  allowed: 'unset',
  fix: "Leave it out, or name it in the row's resources.",
}

function imposed(
  { resources }: Container,
  wanted: WantedResources,
  path: string,
  field: Field,
): Violation | undefined {
  const found = resources?.[field] ?? {}
  const value = (resource: WantedResource): string =>
    field === 'requests' ? resource.request : resource.limit
  const fits = wanted.every((resource) =>
    resource.range ? found[resource.name] !== undefined : sameQuantity(found[resource.name], value(resource)),
  )
  if (fits) return undefined
  const allowed = wanted.map((resource) => [resource.name, resource.range?.text ?? value(resource)])
  const rule = {
    rule: 'resources',
    allowed: shown(Object.fromEntries(allowed)),
    fix: 'Leave it out; the agent type decides.',
  }
  return violationOf(rule, path, resources?.[field])
}

function outOfRange(
  { resources }: Container,
  { name, range }: WantedResource,
  path: string,
): Violation | undefined {
  const request = resources?.requests?.[name]
  const limit = resources?.limits?.[name]
  // What is absent is rule resources' matter.
  if (!range || request === undefined || limit === undefined || isInRange({ range }, request, limit)) {
    return undefined
  }
  const rule = {
    rule: 'resource-range',
    allowed: `${range.text}, the request not above the limit`,
    fix: "Ask for less or more, or leave it out and get the agent type's.",
  }
  return violationOf(rule, `${path}.resources.limits.${name}`, { request, limit })
}
