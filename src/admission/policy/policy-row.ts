import { type Static, type TSchema, type TSchemaOptions, Type } from 'typebox'
import { defaultAppLabel } from '../../domain/names.ts'
import { QuantityValue } from '../pod/pod.ts'
import { restrictedVolumeKinds } from '../standards/volume-kinds.ts'
import { Images, Probes, resourceProperties, SecretEnv, WritablePath } from './container-settings.ts'
import {
  closed,
  described,
  envName,
  labelValue,
  objectName,
  objectNamePattern,
  oneOf,
  seconds,
} from './policy-scalars.ts'
import { MatchExpression, Toleration, TopologySpread } from './scheduling-settings.ts'

/**
 * The rules that a row of the table and its `defaults` share: one declaration gives schema, static type and the
 * defaults of the defaults. A key of a row takes the place of the default's as a whole; `securityContext` and `probes`
 * are merged field by field.
 */

/** The name of the row for pods without an `agent-type` label. Without such a row they are denied. */
export const defaultRowName = 'default'

const VolumeKind = oneOf(restrictedVolumeKinds)
const VolumeKinds = (options: TSchemaOptions = {}) => Type.Array(VolumeKind, options)

// 0 is root; the restricted standard allows every other. The API's own maximum is that of an int32.
const id = { minimum: 1, maximum: 2_147_483_647 } as const

const secretPatterns = (options: TSchemaOptions = {}) =>
  Type.Array(Type.String({ pattern: `^(${objectNamePattern}|[a-z0-9][-a-z0-9.]{0,251}\\*)$` }), {
    description:
      'Secrets that a pod may refer to besides those in `secrets`, by name or by a beginning that ends in *: env, ' +
      'envFrom, volumes, projected volumes, CSI (nodePublishSecretRef and secretProviderClass), imagePullSecrets. ' +
      'Never by label: a pod names its Secrets, and to read their labels a review would have to ask the API; ' +
      'besides, everybody who may label a Secret could then hand it out.',
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
const claimTemplatesText =
  'ResourceClaimTemplates whose devices a pod may ask for; none: no device by a claim.'
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
    resourceClaimTemplates: Type.Optional(list(objectName, claimTemplatesText)),
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
      ...described(
        'Kinds of volumes that a pod may have: those of the restricted standard, or fewer. The image of a volume of kind ' +
          'image is judged like one of a container.',
      ),
    }),
    resourceClaimTemplates: list(objectName, claimTemplatesText, { default: [] }),
    appLabel: Type.String({ pattern: `^${labelValue}$`, default: defaultAppLabel }),
    gracePeriodSeconds: seconds(0, 30),
  },
  { ...closed, default: {} },
)
export type Defaults = Static<typeof Defaults>
