import { type TSchema, Type } from 'typebox'

/** The kinds of values that the chart has, each with its meaning and its default. */

export const closed = { additionalProperties: false } as const
export const text = (description: string, fallback = '', more: object = {}) =>
  Type.String({ description, default: fallback, ...more })
export const flag = (description: string, fallback: boolean) =>
  Type.Boolean({ description, default: fallback })
export const count = (description: string, fallback: number, minimum = 1) =>
  Type.Integer({ description, default: fallback, minimum })
export const group = <T extends Record<string, TSchema>>(properties: T, description?: string) =>
  Type.Object(properties, { ...closed, ...(description !== undefined && { description }) })
export const words = (description: string) =>
  Type.Record(Type.String({ pattern: '^.+$' }), Type.String(), { description, default: {}, ...closed })
/** `null` switches a default off, as Helm's users expect. */
export const percent = (description: string, fallback: number | null) =>
  Type.Union([Type.Integer({ minimum: 1, maximum: 1_000 }), Type.Null()], { description, default: fallback })

export const quantity = Type.Union([
  Type.String({ pattern: '^[0-9]+(\\.[0-9]+)?(m|k|Ki|M|Mi|G|Gi|T|Ti)?$' }),
  Type.Number({ minimum: 0 }),
])
const amounts = Type.Object(
  {
    cpu: Type.Optional(quantity),
    memory: Type.Optional(quantity),
    'ephemeral-storage': Type.Optional(quantity),
  },
  closed,
)
export const resources = (whose: string, fallback: object) =>
  Type.Object(
    { requests: Type.Optional(amounts), limits: Type.Optional(amounts) },
    { ...closed, description: `Requests and limits of ${whose}.`, default: fallback },
  )
export const sized = (cpu: string, memory: string, cpuLimit: string, memoryLimit: string) => ({
  requests: { cpu, memory },
  limits: { cpu: cpuLimit, memory: memoryLimit },
})
export const digest = (description: string) =>
  text(description, '', { pattern: '^(sha256:[0-9a-f]{64})?$', examples: ['sha256:…'] })
export const tag = (description: string) =>
  text(description, '', { pattern: '^[\\w.-]*$', not: { const: 'latest' } })
export const persistence = (whose: string) =>
  group({
    size: text(`Size of the volume of ${whose}.`, '10Gi', { pattern: '^[0-9]+(Mi|Gi|Ti)$' }),
    storageClass: text('Its storage class. Empty: the default of the cluster.'),
  })
export const store = (name: string, image: string, secret: string, size: object) => ({
  existingSecret: text(`Secret in ai-agents with ${secret}.`, name, { minLength: 1 }),
  image: text('Its image, by version or digest.', image, {
    pattern: '^\\S+(:[\\w.-]+|@sha256:[0-9a-f]{64})$',
    not: { pattern: ':latest$' },
  }),
  resources: resources(`its container`, size),
})
