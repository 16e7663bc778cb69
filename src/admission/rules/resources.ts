import { label } from '../../domain/names.ts'
import { sameQuantity } from '../../domain/quantity.ts'
import { limitRangerDefaults } from '../pod/limit-ranger.ts'
import { shown } from '../pod/violation.ts'
import type { WantedResource } from '../policy/effective-row.ts'
import {
  filledResources,
  isThin,
  type ResourceField,
  resourceFields,
  type SizedContainer,
  startedWithResources,
} from './container-resources.ts'
import { startedContainers } from './field-path.ts'
import { type Finding, finding, type GreenroomRule, shapedPods } from './greenroom-rule.ts'

/** Resources that a LimitRange filled in are not the author's wish and give way to the row's. */
export const resources: GreenroomRule = {
  rule: 'resources',
  title: 'Requests and limits',
  fields: [
    `${startedContainers}.resources.{requests,limits}[*]`,
    'spec.resources',
    `metadata.labels[${label.pool}]`,
  ],
  allowed:
    "by value the row's `resources` on the agent container and its `sidecar` on others, or what lies in their `min` and `max`; none on the pod as a whole. A pod of a pool whose row says `thin` requests that until a session claims it, and `resources` after",
  appliesTo: shapedPods,
  mode: 'always',
  mutated: 'yes',
  why: "The row of the agent type, or its sidecars', decides what a container may use.",
  reasons: { 'spec.resources': 'Resources of the whole pod would bypass those of its row.' },
  fix: 'Leave it out; the agent type decides.',
  judge(context) {
    const { resources: onPod } = context.pod.spec
    const found: Finding[] = onPod ? [{ ...finding('spec.resources', onPod, 'unset'), fix: podLevelFix }] : []
    for (const started of startedWithResources(context)) {
      for (const field of resourceFields) {
        const imposed = imposedFinding(started, field)
        if (imposed) found.push(imposed)
      }
    }
    return found
  },
  mutate(draft, { pod, row, metadata }) {
    if (!row) return
    draft.remove(draft.spec, 'resources')
    const isDefaulted = limitRangerDefaults(pod.metadata)
    // A pod with a session that is explained or compared as if it were new keeps its full size.
    const isIdle = isThin(metadata.labels, row) && metadata.labels?.[label.state] !== 'claimed'
    const agentWants = isIdle ? row.idle : row.resources
    for (const { container, kind, isAgent } of draft.containers) {
      const { name } = container
      const wanted = isAgent ? agentWants : row.sidecar
      draft.assign(container, {
        resources: filledResources(container.resources, wanted, (field, resource) =>
          isDefaulted({ kind, name }, field, resource),
        ),
      })
    }
  },
}

const podLevelFix = "Remove it: the agent type's row decides resources, container by container."

/** What lies in a range is rule resource-range's matter; it only must be there. */
function imposedFinding(
  { container: { resources: given }, wanted, path }: SizedContainer,
  field: ResourceField,
): Finding | undefined {
  const found = given?.[field] ?? {}
  const value = (resource: WantedResource): string =>
    field === 'requests' ? resource.request : resource.limit
  const fits = wanted.every((resource) =>
    resource.range ? found[resource.name] !== undefined : sameQuantity(found[resource.name], value(resource)),
  )
  if (fits) return undefined
  const allowed = wanted.map((resource) => [resource.name, resource.range?.text ?? value(resource)])
  return finding(`${path}.resources.${field}`, given?.[field], shown(Object.fromEntries(allowed)))
}
