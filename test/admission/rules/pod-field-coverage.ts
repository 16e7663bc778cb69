import { covers, type Segments, segmentsOf } from '../../../src/admission/rules/field-path.ts'
import { greenroomRules } from '../../../src/admission/rules/greenroom-rules.ts'
import { freeFields, judgedFields, refusedFields } from '../../../src/admission/rules/pod-fields.ts'
import { podSecurityChecks } from '../../../src/admission/standards/pod-security-standards.ts'

/** The lists of pod-fields.ts, held against a description of pods and against the rules. */

export interface FieldLists {
  readonly judged: readonly string[]
  readonly free: readonly string[]
  readonly refused: readonly string[]
}

export const fieldLists: FieldLists = {
  judged: judgedFields,
  free: freeFields.flatMap(({ fields }) => fields),
  refused: refusedFields.flatMap(({ fields }) => fields),
}

const named = ({ judged, free, refused }: FieldLists): Segments[] =>
  [...judged, ...free, ...refused].flatMap(segmentsOf)

/** Fields of the description that not exactly one entry names, and entries that name no field of it. */
export function differences(fields: readonly string[], lists = fieldLists): string[] {
  const entries = named(lists)
  const places = fields.map((field) => segmentsOf(field)[0] ?? [])
  return [
    ...places.flatMap((place) => {
      const count = entries.filter((entry) => covers(entry, place)).length
      return count === 1 ? [] : [`${place.join('.')} is in ${count} lists`]
    }),
    ...entries
      .filter((entry) => !places.some((place) => covers(entry, place)))
      .map((entry) => `${entry.join('.')} is no field of a pod`),
  ]
}

/** These look at whole objects, and the last two only hold the lists. */
const holdNoField = new Set([
  'malformed',
  'own-pod-changes',
  'component-shape',
  'unknown-fields',
  'refused-fields',
])

const ruled = [...greenroomRules, ...podSecurityChecks]
  .filter(({ rule }) => !holdNoField.has(rule))
  .flatMap(({ fields }) => fields.flatMap(segmentsOf))

/** Judged entries that no rule has among its fields, and entries of the other lists that one has. */
export function contradictions({ judged, free, refused }: FieldLists = fieldLists): string[] {
  return [
    ...judged
      .flatMap(segmentsOf)
      .filter((entry) => !ruled.some((field) => covers(field, entry) || covers(entry, field)))
      .map((entry) => `no rule judges ${entry.join('.')}`),
    ...[...free, ...refused]
      .flatMap(segmentsOf)
      .filter((entry) => ruled.some((field) => field.join('.') === entry.join('.')))
      .map((entry) => `a rule judges ${entry.join('.')}: it belongs into judgedFields`),
  ]
}
