import { isJsonObject } from '../pod/json-object.ts'
import { type Segments, segmentsOf } from './field-path.ts'
import { everyPod, type Finding, type GreenroomRule } from './greenroom-rule.ts'
import { refusedFields as refused } from './pod-fields.ts'

export const refusedFields: GreenroomRule = {
  rule: 'refused-fields',
  title: 'Fields that are refused',
  fields: refused.flatMap(({ fields }) => fields),
  allowed: 'unset',
  appliesTo: everyPod,
  mode: 'always',
  mutated: 'no',
  why: 'They bring files, devices or an identity into a pod that no row of the policy can give.',
  fix: 'Leave it out.',
  judge: ({ pod }) => refusedBelow(refusedSpec, pod.spec, 'spec'),
}

/** What is refused below a place, by name; `*` is every element of a list. A text says what the field brings in. */
type Refused = readonly (readonly [name: string, below: Refused | string])[]

const refusedSpec = refusedOf(
  refused.flatMap(({ fields, why }) =>
    fields.flatMap(segmentsOf).map(([, ...segments]) => ({ segments, why })),
  ),
)

function refusedOf(places: readonly { readonly segments: Segments; readonly why: string }[]): Refused {
  const byName = Map.groupBy(places, ({ segments: [name = ''] }) => name)
  return [...byName].map(([name, group]) => {
    const end = group.find(({ segments }) => segments.length === 1)
    const below = group.map(({ segments: [, ...segments], why }) => ({ segments, why }))
    return [name, end?.why ?? refusedOf(below)]
  })
}

function refusedBelow(below: Refused | string, value: unknown, path: string): Finding[] {
  if (isNothing(value)) return []
  if (typeof below === 'string') {
    return [{ path, found: 'set', allowed: 'unset', fix: `Leave it out: it brings in ${below}.` }]
  }
  const found: Finding[] = []
  for (const [name, inner] of below) {
    if (name === '*' && Array.isArray(value)) {
      for (const [index, element] of value.entries()) {
        found.push(...refusedBelow(inner, element, `${path}[${index}]`))
      }
    } else if (isJsonObject(value) && !isNothing(value[name])) {
      found.push(...refusedBelow(inner, value[name], `${path}.${name}`))
    }
  }
  return found
}

/** What Go leaves out when it writes an object. */
function isNothing(value: unknown): boolean {
  return (
    value === undefined ||
    value === null ||
    value === false ||
    value === '' ||
    (Array.isArray(value) && value.length === 0)
  )
}
