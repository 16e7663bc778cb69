import { type Static, Type } from 'typebox'
import { orUndefined } from './or-undefined.ts'

const Count = Type.Integer({ minimum: 0 })

export const AdmissionRow = Type.Object({
  rule: Type.String(),
  namespace: Type.String({ description: 'Of the request; empty for what is in no namespace.' }),
  denied: Count,
  changed: Count,
  warned: Type.Integer({
    minimum: 0,
    description: 'Violations of a rule that is not enforced (warn, audit).',
  }),
})
export type AdmissionRow = Static<typeof AdmissionRow>

/** `GET /v1/admission`. */
export const AdmissionReport = Type.Object({
  at: Type.String({ format: 'date-time' }),
  since: orUndefined(
    Type.String({
      format: 'date-time',
      description:
        'From when every replica that answered has counted: an hour ago, or when the youngest of them started.',
    }),
  ),
  replicas: Type.Object(
    { asked: Count, answered: Count },
    { description: 'Of the webhook. What those that did not answer have counted is missing.' },
  ),
  rows: Type.Array(AdmissionRow, {
    description: 'The most denials first. A request counts once for each rule.',
  }),
  drift: orUndefined(
    Type.Object(
      { change: Count, deny: Count },
      {
        description:
          'Running pods that the policy in force would change or deny; absent while no leader is known.',
      },
    ),
  ),
})
export type AdmissionReport = Static<typeof AdmissionReport>

/** The same of several replicas as one: each review was judged by one of them. The most denials first, then changes. */
export function sumAdmissionRows(all: readonly (readonly AdmissionRow[])[]): AdmissionRow[] {
  const sums = new Map<string, AdmissionRow>()
  for (const row of all.flat()) {
    const key = `${row.rule}\n${row.namespace}`
    const { denied = 0, changed = 0, warned = 0 } = sums.get(key) ?? {}
    sums.set(key, {
      rule: row.rule,
      namespace: row.namespace,
      denied: denied + row.denied,
      changed: changed + row.changed,
      warned: warned + row.warned,
    })
  }
  return [...sums.values()].sort(
    (a, b) =>
      b.denied - a.denied ||
      b.changed - a.changed ||
      b.warned - a.warned ||
      (a.rule === b.rule ? compare(a.namespace, b.namespace) : compare(a.rule, b.rule)),
  )
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
