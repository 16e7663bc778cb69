import { isJsonObject, type JsonObject } from '../pod/json-object.ts'
import { type Segments, segmentsOf } from './field-path.ts'
import { everyPod, type Finding, type GreenroomRule } from './greenroom-rule.ts'
import { freeFields, judgedFields, refusedFields } from './pod-fields.ts'

export const unknownFields: GreenroomRule = {
  rule: 'unknown-fields',
  title: 'Fields that this version knows',
  fields: ['spec'],
  allowed:
    'fields of Kubernetes 1.36, as this version lists them; a newer one is refused until its meaning is known',
  appliesTo: everyPod,
  mode: 'settable',
  mutated: 'no',
  why: 'A field that a newer Kubernetes adds may bring in code, files, an identity or a device that no rule here judges.',
  fix: 'Leave it out, update Greenroom, or set the mode of the rule unknown-fields to warn until then.',
  // Nearly every pod passes, so the paths are only made for one that does not.
  judge: ({ pod }) =>
    isKnown(known.get('spec'), pod.spec)
      ? []
      : unknownBelow(known.get('spec'), pod.spec, 'spec').slice(0, mostFindings),
}

/** A request to explain a pod may hold anything; a longer list would help nobody. */
const mostFindings = 20

/** What stands below a place; the name `*` is any element of a list. `all`: whatever is below. */
type Known = ReadonlyMap<string, Below>
type Below = Known | 'all'

const known = knownOf(
  [...judgedFields, ...[...freeFields, ...refusedFields].flatMap(({ fields }) => fields)].flatMap(segmentsOf),
)

function knownOf(fields: readonly Segments[]): Known {
  const byName = Map.groupBy(fields, ([name = '']) => name)
  return new Map(
    [...byName].map(([name, group]): [string, Below] => {
      const rests = group.map(([, ...rest]) => rest)
      return [name, rests.some(({ length }) => length === 0) ? 'all' : knownOf(rests)]
    }),
  )
}

function isKnown(below: Below | undefined, value: unknown): boolean {
  if (below === undefined) return false
  if (below === 'all' || typeof value !== 'object' || value === null) return true
  if (Array.isArray(value)) {
    const element = below.get('*')
    for (const content of value) if (!isKnown(element, content)) return false
    return true
  }
  // Not Object.keys: this visits every field of the pod, and a list for each object would cost time.
  for (const name in value) {
    const content = (value as JsonObject)[name]
    if (content !== undefined && content !== null && !isKnown(below.get(name), content)) return false
  }
  return true
}

function unknownBelow(below: Below | undefined, value: unknown, path: string): Finding[] {
  if (below === undefined) return [unknown(path)]
  if (below === 'all') return []
  if (Array.isArray(value)) {
    const element = below.get('*')
    return value.flatMap((content: unknown, index) =>
      unknownBelow(element, content, `${path}[${nameOf(content, path) ?? index}]`),
    )
  }
  if (!isJsonObject(value)) return []
  return Object.entries(value)
    .filter(([, content]) => content !== undefined && content !== null)
    .flatMap(([name, content]) => unknownBelow(below.get(name), content, `${path}.${name}`))
}

/** Of a variable: the webhook puts its own before those of the author, so a number would be another than theirs. */
function nameOf(content: unknown, path: string): string | undefined {
  if (!path.endsWith('.env') || !isJsonObject(content)) return undefined
  return typeof content.name === 'string' ? content.name : undefined
}

function unknown(path: string): Finding {
  return { path, found: 'a field that this version does not know', allowed: 'fields of Kubernetes 1.36' }
}
