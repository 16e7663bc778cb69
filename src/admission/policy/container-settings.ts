import { type Static, Type } from 'typebox'
import { QuantityValue } from '../pod/pod.ts'
import { imagePatternText } from './image-patterns.ts'
import { closed, described, envName, objectName, oneOf, seconds } from './policy-scalars.ts'

/** What a row may say of the containers of a pod. */

const plainResources = {
  cpu: QuantityValue,
  memory: QuantityValue,
  'ephemeral-storage': Type.Optional(QuantityValue),
}
const ResourceList = Type.Object(plainResources, {
  // Devices, as `nvidia.com/gpu`: whether a further name is one is for the relations to say.
  additionalProperties: QuantityValue,
  ...described(
    'cpu, memory, ephemeral-storage, and devices such as nvidia.com/gpu, whose request is their limit.',
  ),
})
const Bounds = (description: string) =>
  Type.Optional(Type.Partial(Type.Object(plainResources), { ...closed, ...described(description) }))

export const resourceProperties = {
  requests: ResourceList,
  limits: ResourceList,
  min: Bounds(
    'Least that a pod may ask for itself, by resource. A resource that stands in neither min nor max is imposed.',
  ),
  max: Bounds(
    "Most that a pod may ask for itself. A bound that is left out is the row's own request (min) or limit (max).",
  ),
}
const Resources = Type.Object(resourceProperties, closed)
export type Resources = Static<typeof Resources>

const PolicyProbe = Type.Object(
  {
    httpGet: Type.Object(
      {
        path: Type.String({ pattern: '^/' }),
        port: Type.Union([
          Type.Integer({ minimum: 1, maximum: 65_535 }),
          Type.String({ pattern: '^[a-z0-9]([-a-z0-9]{0,13}[a-z0-9])?$' }),
        ]),
      },
      closed,
    ),
    // Kubernetes' own defaults, written out: what the API server fills in later must not look like a difference.
    initialDelaySeconds: seconds(0, 0),
    periodSeconds: seconds(1, 10),
    timeoutSeconds: seconds(1, 1),
    failureThreshold: Type.Integer({ minimum: 1, default: 3 }),
  },
  closed,
)
export type PolicyProbe = Static<typeof PolicyProbe>

export const Probes = Type.Object(
  {
    liveness: Type.Optional(PolicyProbe),
    readiness: Type.Optional(PolicyProbe),
    startup: Type.Optional(PolicyProbe),
  },
  closed,
)

export const Thin = Type.Object(
  {
    cpu: Type.Optional(QuantityValue),
    memory: Type.Optional(QuantityValue),
    fraction: Type.Optional(
      Type.Number({
        exclusiveMinimum: 0,
        exclusiveMaximum: 1,
        description: 'Of the requests of cpu and memory, instead of naming them.',
      }),
    ),
  },
  {
    ...closed,
    minProperties: 1,
    ...described(
      'What an idle pod of a pool requests until a session claims it; then it is resized in place to `resources.requests` (Kubernetes 1.35 and later). Its limits are the same all the time.',
    ),
  },
)
export type Thin = Static<typeof Thin>

export const SecretEnv = Type.Object(
  {
    env: envName,
    secret: objectName,
    key: Type.String({ pattern: '^[-._a-zA-Z0-9]+$' }),
    optional: Type.Boolean({
      default: false,
      description: 'True: a missing Secret or key does not stop a start.',
    }),
  },
  closed,
)
export type SecretEnv = Static<typeof SecretEnv>

export const Images = Type.Object(
  {
    allowed: Type.Optional(
      Type.Array(Type.String({ minLength: 1, maxLength: 512 }), {
        minItems: 1,
        description: `Of containers and of volumes of kind image. ${imagePatternText} Absent: any image.`,
      }),
    ),
    digest: oneOf(['required', 'allowed'], {
      default: 'allowed',
      description: 'required: every image names its digest, so that what was checked is what runs.',
    }),
  },
  closed,
)
export type Images = Static<typeof Images>

export const Command = Type.Object(
  {
    command: Type.Optional(Type.Array(Type.String(), { minItems: 1 })),
    args: Type.Optional(Type.Array(Type.String(), { minItems: 1 })),
  },
  { ...closed, minProperties: 1 },
)
export type Command = Static<typeof Command>

export const EphemeralClaims = Type.Object(
  {
    maxSize: Type.Union([Type.String(), Type.Number()], {
      default: '10Gi',
      ...described('Most storage that the ephemeral claims of one pod may ask for together.'),
    }),
    storageClasses: Type.Optional(
      Type.Array(objectName, {
        minItems: 1,
        ...described('The classes that they may name. Absent: any, and none named is the default class.'),
      }),
    ),
  },
  closed,
)
export type EphemeralClaims = Static<typeof EphemeralClaims>

/** No character that would need thought in a volume's name, and no "..": the path becomes both. */
const writablePathPattern = '^(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)+$'

export const WritablePath = Type.Object(
  {
    path: Type.String({ pattern: writablePathPattern, maxLength: 50 }),
    sizeLimit: QuantityValue,
    medium: Type.Optional(Type.Literal('Memory')),
  },
  closed,
)
export type WritablePath = Static<typeof WritablePath>
