import { type TLiteral, type TSchemaOptions, type TUnion, Type } from 'typebox'

/** The small schemas that the tables of the policy are made of. */

export const closed = { additionalProperties: false } as const
export const described = (description: string) => ({ description })
export const seconds = (minimum: number, byDefault: number) =>
  Type.Integer({ minimum, maximum: 86_400, default: byDefault })

type Literals<T extends readonly string[]> = T extends readonly [
  infer First extends string,
  ...infer Rest extends string[],
]
  ? [TLiteral<First>, ...Literals<Rest>]
  : []

export const oneOf = <const T extends readonly string[]>(values: T, options: TSchemaOptions = {}) =>
  Type.Union(
    values.map((value) => Type.Literal(value)),
    options,
  ) as unknown as TUnion<Literals<T>>

export const objectNamePattern = '[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?'
export const objectName = Type.String({ pattern: `^${objectNamePattern}$` })
export const labelValue = '[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?'
export const labelKey = Type.String({
  pattern: '^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$',
})
export const envName = Type.String({ pattern: '^[A-Za-z_][A-Za-z0-9_.-]*$' })
/** The user name of a ServiceAccount. */
export const serviceAccountUser = Type.String({ pattern: '^system:serviceaccount:[^:]+:[^:]+$' })
