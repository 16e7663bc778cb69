import { type Static, type TLiteral, type TSchema, type TSchemaOptions, type TUnion, Type } from 'typebox'
import { defaultAppLabel } from '../../domain/names.ts'
import { QuantityValue } from '../pod/pod.ts'

/**
 * The rules that a row of the table and its `defaults` share: one declaration gives schema, static type and the
 * defaults of the defaults. A key of a row takes the place of the default's as a whole; `securityContext` and `probes`
 * are merged field by field.
 */

/** The name of the row for pods without an `agent-type` label. Without such a row they are denied. */
export const defaultRowName = 'default'

export const closed = { additionalProperties: false } as const
const described = (description: string) => ({ description })
const seconds = (minimum: number, byDefault: number) =>
  Type.Integer({ minimum, maximum: 86_400, default: byDefault })

type Literals<T extends readonly string[]> = T extends readonly [
  infer First extends string,
  ...infer Rest extends string[],
]
  ? [TLiteral<First>, ...Literals<Rest>]
  : []

const oneOf = <const T extends readonly string[]>(values: T, options: TSchemaOptions = {}) =>
  Type.Union(
    values.map((value) => Type.Literal(value)),
    options,
  ) as unknown as TUnion<Literals<T>>

const objectNamePattern = '[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?'
export const objectName = Type.String({ pattern: `^${objectNamePattern}$` })
const labelValue = '[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?'
const labelKey = Type.String({
  pattern: '^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$',
})
export const envName = Type.String({ pattern: '^[A-Za-z_][A-Za-z0-9_.-]*$' })

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

const resourceProperties = {
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

const Probes = Type.Object(
  {
    liveness: Type.Optional(PolicyProbe),
    readiness: Type.Optional(PolicyProbe),
    startup: Type.Optional(PolicyProbe),
  },
  closed,
)

const SecretEnv = Type.Object(
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

const Images = Type.Object(
  {
    allowed: Type.Optional(
      Type.Array(Type.String({ minLength: 1, maxLength: 512 }), {
        minItems: 1,
        description:
          'Repositories (any tag or digest), whole references, or beginnings that end in /*, :* or @*. Docker Hub ' +
          'names are compared in full: nginx is docker.io/library/nginx. Absent: any image.',
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

/** No character that would need thought in a volume's name, and no "..": the path becomes both. */
const writablePathPattern = '^(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)+$'

const WritablePath = Type.Object(
  {
    path: Type.String({ pattern: writablePathPattern, maxLength: 50 }),
    sizeLimit: QuantityValue,
    medium: Type.Optional(Type.Literal('Memory')),
  },
  closed,
)
export type WritablePath = Static<typeof WritablePath>

const MatchExpression = Type.Object(
  {
    key: labelKey,
    operator: oneOf(['In', 'NotIn', 'Exists', 'DoesNotExist', 'Gt', 'Lt']),
    values: Type.Optional(Type.Array(Type.String({ pattern: `^(${labelValue})?$` }))),
  },
  closed,
)
export type MatchExpression = Static<typeof MatchExpression>

const Toleration = Type.Object(
  {
    key: Type.Optional(labelKey),
    operator: oneOf(['Equal', 'Exists'], { default: 'Equal' }),
    value: Type.Optional(Type.String({ pattern: `^(${labelValue})?$` })),
    effect: Type.Optional(oneOf(['NoSchedule', 'PreferNoSchedule', 'NoExecute'])),
    tolerationSeconds: Type.Optional(Type.Integer({ minimum: 0 })),
  },
  closed,
)
export type PolicyToleration = Static<typeof Toleration>

const TopologySpread = Type.Object(
  {
    maxSkew: Type.Integer({ minimum: 1, default: 1 }),
    topologyKey: labelKey,
    whenUnsatisfiable: oneOf(['ScheduleAnyway', 'DoNotSchedule'], { default: 'ScheduleAnyway' }),
    labelSelector: Type.Optional(
      Type.Object(
        { matchLabels: Type.Record(labelKey, Type.String({ pattern: `^(${labelValue})?$` })) },
        { ...closed, ...described("Absent: the pods of the row's agent type.") },
      ),
    ),
  },
  closed,
)
export type PolicyTopologySpread = Static<typeof TopologySpread>

/** The kinds that Pod Security Standard restricted allows; a policy may narrow them. */
export const restrictedVolumeKinds = [
  'configMap',
  'csi',
  'downwardAPI',
  'emptyDir',
  'ephemeral',
  'persistentVolumeClaim',
  'projected',
  'secret',
] as const

const VolumeKind = oneOf(restrictedVolumeKinds)
const VolumeKinds = (options: TSchemaOptions = {}) => Type.Array(VolumeKind, options)

// 0 is root; the restricted standard allows every other. The API's own maximum is that of an int32.
const id = { minimum: 1, maximum: 2_147_483_647 } as const

const secretPatterns = (options: TSchemaOptions = {}) =>
  Type.Array(Type.String({ pattern: `^(${objectNamePattern}|[a-z0-9][-a-z0-9.]{0,251}\\*)$` }), {
    description:
      'Secrets that a pod may refer to besides those in `secrets`, by name or by a beginning that ends in *: env, ' +
      'envFrom, volumes, projected volumes, CSI (nodePublishSecretRef and secretProviderClass), imagePullSecrets. ' +
      'Never by label: a pod names its Secrets, and their labels are known only to who asks the API, which a review ' +
      'does not do; besides, whoever may label a Secret could then hand it out.',
    ...options,
  })

const envList = (options: TSchemaOptions = {}) =>
  Type.Array(Type.Object({ name: envName, value: Type.String() }, closed), {
    description: 'Defaults: a value in the pod itself wins.',
    ...options,
  })
const secretEnvList = (options: TSchemaOptions = {}) =>
  Type.Array(SecretEnv, {
    description: 'Environment of the agent container by reference; wins over the pod.',
    ...options,
  })
const writablePaths = (options: TSchemaOptions = {}) =>
  Type.Array(WritablePath, {
    description: 'An emptyDir each, in every container but debug ones that mounts nothing there itself.',
    ...options,
  })
const images = (options: TSchemaOptions = {}) => Type.Object(Images.properties, { ...closed, ...options })
const list = <T extends TSchema>(schema: T, description: string, options: TSchemaOptions = {}) =>
  Type.Array(schema, { ...described(description), ...options })

const expressionsText =
  'matchExpressions that every node must meet; added to each term of the pod, for terms are alternatives.'
const tolerationsText = 'Added to those of the pod.'
const spreadText = "Takes the place of the pod's constraint with the same topologyKey and whenUnsatisfiable."
const automountText = 'True: a pod may have a ServiceAccount token. False: it never gets one.'
const emptyDirText = 'Size limit of every emptyDir that has none.'

/** What may stand in both; nothing of it is imposed unless it stands in one. */
const optionalRules = {
  probes: Type.Optional(Probes),
  runtimeClassName: Type.Optional(objectName),
  priorityClassName: Type.Optional(objectName),
  serviceAccountName: Type.Optional(objectName),
}

export const Row = Type.Object(
  {
    ...optionalRules,
    securityContext: Type.Optional(
      Type.Object(
        {
          runAsUser: Type.Optional(Type.Integer(id)),
          runAsGroup: Type.Optional(Type.Integer(id)),
          fsGroup: Type.Optional(Type.Integer(id)),
        },
        closed,
      ),
    ),
    resources: Type.Optional(
      Type.Object(resourceProperties, { ...closed, ...described('Of the agent container.') }),
    ),
    sidecar: Type.Optional(
      Type.Object(resourceProperties, { ...closed, ...described('Of every other container.') }),
    ),
    env: Type.Optional(envList()),
    secrets: Type.Optional(secretEnvList()),
    allowedSecrets: Type.Optional(secretPatterns()),
    images: Type.Optional(images()),
    writablePaths: Type.Optional(writablePaths()),
    emptyDirSizeLimit: Type.Optional(QuantityValue),
    nodeAffinity: Type.Optional(list(MatchExpression, expressionsText)),
    tolerations: Type.Optional(list(Toleration, tolerationsText)),
    topologySpreadConstraints: Type.Optional(list(TopologySpread, spreadText)),
    automountServiceAccountToken: Type.Optional(Type.Boolean(described(automountText))),
    volumeKinds: Type.Optional(VolumeKinds()),
    appLabel: Type.Optional(Type.String({ pattern: `^${labelValue}$` })),
    // Without a default of its own: it would stand before that of `defaults`.
    gracePeriodSeconds: Type.Optional(Type.Integer({ minimum: 0, maximum: 86_400 })),
  },
  // TypeBox fills in defaults inside a Record only where its values have one themselves.
  { ...closed, default: {} },
)
export type Row = Static<typeof Row>

export const Defaults = Type.Object(
  {
    ...optionalRules,
    securityContext: Type.Object(
      {
        runAsUser: Type.Integer({ ...id, default: 1000 }),
        runAsGroup: Type.Integer({ ...id, default: 1000 }),
        fsGroup: Type.Integer({ ...id, default: 1000 }),
      },
      { ...closed, default: {} },
    ),
    resources: Type.Optional(
      Type.Object(resourceProperties, { ...closed, ...described('Of rows that give none.') }),
    ),
    sidecar: Type.Object(resourceProperties, {
      ...closed,
      ...described('Of every container that is not the agent: sidecars and init containers.'),
      default: { requests: { cpu: '25m', memory: '64Mi' }, limits: { cpu: '250m', memory: '256Mi' } },
    }),
    env: envList({ default: [] }),
    secrets: secretEnvList({ default: [] }),
    allowedSecrets: secretPatterns({ default: [] }),
    images: images({ default: {} }),
    writablePaths: writablePaths({ default: [{ path: '/tmp', sizeLimit: '64Mi' }] }),
    podSecurity: Type.Object(
      {
        version: Type.String({
          pattern: '^(latest|v1\\.(0|[1-9][0-9]?))$',
          default: 'latest',
          description: 'Release of Kubernetes whose Pod Security Standard restricted every pod must meet.',
        }),
      },
      { ...closed, default: {} },
    ),
    emptyDirSizeLimit: Type.Union([Type.String(), Type.Number()], {
      default: '256Mi',
      ...described(emptyDirText),
    }),
    nodeAffinity: list(MatchExpression, expressionsText, { default: [] }),
    tolerations: list(Toleration, tolerationsText, { default: [] }),
    topologySpreadConstraints: list(TopologySpread, spreadText, { default: [] }),
    automountServiceAccountToken: Type.Boolean({ default: false, ...described(automountText) }),
    volumeKinds: VolumeKinds({
      default: [...restrictedVolumeKinds],
      ...described('Kinds of volumes that a pod may have: those of the restricted standard, or fewer.'),
    }),
    appLabel: Type.String({ pattern: `^${labelValue}$`, default: defaultAppLabel }),
    gracePeriodSeconds: seconds(0, 30),
  },
  { ...closed, default: {} },
)
export type Defaults = Static<typeof Defaults>
