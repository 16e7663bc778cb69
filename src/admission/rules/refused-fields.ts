import { isJsonObject } from '../pod/json-object.ts'
import { type Segments, segmentsOf } from './field-path.ts'
import { everyPod, finding, type GreenroomRule } from './greenroom-rule.ts'
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
  judge: ({ pod }) =>
    places.flatMap(({ segments, why }) =>
      setAt(pod, segments, '').map((path) => ({
        ...finding(path, undefined, 'unset'),
        found: 'set',
        fix: `Leave it out: it brings in ${why}.`,
      })),
    ),
}

const places = refused.flatMap(({ fields, why }) =>
  fields.flatMap(segmentsOf).map((segments) => ({ segments, why })),
)

/** Paths at which something is set. */
function setAt(value: unknown, [key, ...rest]: Segments, path: string): string[] {
  if (key === undefined) return isNothing(value) ? [] : [path]
  if (key === '*') {
    return Array.isArray(value)
      ? value.flatMap((element: unknown, index) => setAt(element, rest, `${path}[${index}]`))
      : []
  }
  return isJsonObject(value) ? setAt(value[key], rest, path === '' ? key : `${path}.${key}`) : []
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
