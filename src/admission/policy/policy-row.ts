import { type Static, type TSchema, type TSchemaOptions, Type } from 'typebox'
import { defaultAppLabel } from '../../domain/names.ts'
import { QuantityValue } from '../pod/pod.ts'
import { restrictedVolumeKinds } from '../standards/volume-kinds.ts'
import {
  Command,
  EphemeralClaims,
  Images,
  Probes,
  resourceProperties,
  SecretEnv,
  Thin,
  WritablePath,
} from './container-settings.ts'
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
      'Secrets that a pod may refer to as a whole, by name or by a beginning that ends in *; of those in `secrets` it may ' +
      'name the same keys only: env, ' +
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
const commands = (options: TSchemaOptions = {}) =>
  Type.Array(Command, {
    description:
      'What a container may run in a pod that holds a Secret and is not of a pool, each entry as a whole: command, ' +
      "args or both. None: the image's own. Running nothing but the image's own is always allowed.",
    ...options,
  })
const secretsFor = (options: TSchemaOptions = {}) =>
  oneOf(['everyone', 'pools'], {
    description:
      'Whose pods get `secrets` and may refer to `allowedSecrets`: everyone who may create a pod of this type, or ' +
      "Greenroom's pools alone. With pools, others may still name an allowed Secret in imagePullSecrets.",
    ...options,
  })
const list = <T extends TSchema>(schema: T, description: string, options: TSchemaOptions = {}) =>
  Type.Array(schema, { ...described(description), ...options })

const expressionsText =
  'matchExpressions that every node must meet; added to each term of the pod, for terms are alternatives.'
const tolerationsText = 'Added to those of the pod.'
const allowedTolerationsText =
  'What a pod may tolerate besides `tolerations` and what Kubernetes adds: these, or less. What a RuntimeClass adds (its ' +
  '`scheduling.tolerations`) must be here too.'
const maxContainersText = 'Most containers and init containers of a pod together.'
const claimsText = 'Volumes that a pod asks for itself, kind ephemeral.'
const groupsText =
  'Groups that a pod may name in supplementalGroups besides runAsGroup and fsGroup; others are taken out.'
const groupsPolicyText =
  'Imposed where it is given: with Strict the image brings no groups of its own. It needs a node that can do so.'
const spreadText = "Takes the place of the pod's constraint with the same topologyKey and whenUnsatisfiable."
const automountText = 'True: a pod may have a ServiceAccount token. False: it never gets one.'
const claimTemplatesText =
  'ResourceClaimTemplates whose devices a pod may ask for; none: no device by a claim.'
const secretsVersionText =
  'Any word. Another one replaces the idle pods of the row: raise it when a Secret that they read at start has changed.'
const emptyDirText = 'Size limit of every emptyDir that has none.'

/** What may stand in both; nothing of it is imposed unless it stands in one. */
const optionalRules = {
  probes: Type.Optional(Probes),
  thin: Type.Optional(Thin),
  runtimeClassName: Type.Optional(objectName),
  priorityClassName: Type.Optional(objectName),
  serviceAccountName: Type.Optional(objectName),
  secretsVersion: Type.Optional(
    Type.String({ minLength: 1, maxLength: 63, ...described(secretsVersionText) }),
  ),
}

const groupProperties = {
  supplementalGroups: Type.Optional(list(Type.Integer(id), groupsText)),
  supplementalGroupsPolicy: Type.Optional(oneOf(['Merge', 'Strict'], described(groupsPolicyText))),
}

const maxContainers = (options: TSchemaOptions = {}) =>
  Type.Integer({ minimum: 1, maximum: 100, ...described(maxContainersText), ...options })

export const Row = Type.Object(
  {
    ...optionalRules,
    securityContext: Type.Optional(
      Type.Object(
        {
          runAsUser: Type.Optional(Type.Integer(id)),
          runAsGroup: Type.Optional(Type.Integer(id)),
          fsGroup: Type.Optional(Type.Integer(id)),
          ...groupProperties,
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
    secretsFor: Type.Optional(secretsFor()),
    images: Type.Optional(images()),
    commands: Type.Optional(commands()),
    maxContainers: Type.Optional(maxContainers()),
    writablePaths: Type.Optional(writablePaths()),
    emptyDirSizeLimit: Type.Optional(QuantityValue),
    ephemeralClaims: Type.Optional(
      Type.Object(EphemeralClaims.properties, { ...closed, ...described(claimsText) }),
    ),
    nodeAffinity: Type.Optional(list(MatchExpression, expressionsText)),
    tolerations: Type.Optional(list(Toleration, tolerationsText)),
    allowedTolerations: Type.Optional(list(Toleration, allowedTolerationsText)),
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
        ...groupProperties,
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
    secretsFor: secretsFor({ default: 'everyone' }),
    images: images({ default: {} }),
    commands: commands({ default: [] }),
    // Far above an agent with its helpers and a mesh's proxy, far below what would fill a node.
    maxContainers: maxContainers({ default: 10 }),
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
    ephemeralClaims: Type.Object(EphemeralClaims.properties, {
      ...closed,
      default: {},
      ...described(claimsText),
    }),
    nodeAffinity: list(MatchExpression, expressionsText, { default: [] }),
    tolerations: list(Toleration, tolerationsText, { default: [] }),
    allowedTolerations: list(Toleration, allowedTolerationsText, { default: [] }),
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
