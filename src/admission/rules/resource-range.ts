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
  judge(context) {
    const found: Finding[] = []
    for (const { container, path, wanted } of startedWithResources(context)) {
      addBeyond(container, wanted, path, found)
      for (const resource of wanted) addOutOfRange(container, resource, path, found)
    }
    return found
  },
}

/** Nobody may give a pod what its row does not speak of. */
function addBeyond({ resources }: Container, wanted: WantedResources, path: string, found: Finding[]): void {
  for (const field of resourceFields) {
    for (const [name, quantity] of Object.entries(unnamed(resources?.[field], wanted)))
      found.push({
        ...finding(`${path}.resources.${field}[${name}]`, quantity, 'unset'),
        fix: "Leave it out, or name it in the row's resources.",
      })
  }
}

function addOutOfRange(
  { resources }: Container,
  { name, range }: WantedResource,
  path: string,
  found: Finding[],
): void {
  const request = resources?.requests?.[name]
  const limit = resources?.limits?.[name]
  // What is absent is rule resources' matter.
  if (!range || request === undefined || limit === undefined || isInRange({ range }, request, limit)) return
  const allowed = `${range.text}, the request not above the limit`
  found.push(finding(`${path}.resources.limits.${name}`, { request, limit }, allowed))
}
