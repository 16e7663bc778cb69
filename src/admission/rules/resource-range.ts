import { label } from '../../domain/names.ts'
import type { Container } from '../pod/pod.ts'
import type { WantedResource, WantedResources } from '../policy/effective-row.ts'
import { isInRange, resourceFields, startedWithResources, unnamed } from './container-resources.ts'
import { startedContainers } from './field-path.ts'
import { type Finding, finding, type GreenroomRule, shapedPods } from './greenroom-rule.ts'

export const resourceRange: GreenroomRule = {
  rule: 'resource-range',
  title: 'Requests and limits in the range of the row',
  fields: [`${startedContainers}.resources.{requests,limits}[*]`, `metadata.labels[${label.pool}]`],
  allowed:
    'where the row gives `min` and `max`: between them, the request not above the limit; nothing that the row does not name',
  appliesTo: shapedPods,
  mode: 'always',
  mutated: 'no',
  why: 'What the author asks for is not taken away silently: without its device the program would not work.',
  fix: "Ask for less or more, or leave it out and get the agent type's.",
  judge: (context) =>
    startedWithResources(context).flatMap(({ container, path, wanted }) => [
      ...beyond(container, wanted, path),
      ...wanted.flatMap((resource) => outOfRange(container, resource, path)),
    ]),
}

/** Nobody may give a pod what its row does not speak of. */
function beyond({ resources }: Container, wanted: WantedResources, path: string): Finding[] {
  return resourceFields.flatMap((field) =>
    Object.entries(unnamed(resources?.[field], wanted)).map(([name, quantity]) => ({
      ...finding(`${path}.resources.${field}[${name}]`, quantity, 'unset'),
      fix: "Leave it out, or name it in the row's resources.",
    })),
  )
}

function outOfRange({ resources }: Container, { name, range }: WantedResource, path: string): Finding[] {
  const request = resources?.requests?.[name]
  const limit = resources?.limits?.[name]
  // What is absent is rule resources' matter.
  if (!range || request === undefined || limit === undefined || isInRange({ range }, request, limit))
    return []
  const allowed = `${range.text}, the request not above the limit`
  return [finding(`${path}.resources.limits.${name}`, { request, limit }, allowed)]
}
