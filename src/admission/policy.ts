import { type Static, Type } from 'typebox'
import { Compile } from 'typebox/compile'
import { type Checked, checkYaml } from '../domain/checked-document.ts'
import { defaultAppLabel } from '../domain/names.ts'
import { QuantityValue } from './pod.ts'
import { policyRelations } from './policy-relations.ts'

/**
 * ConfigMap `agent-policy`, key `policy.yaml`: the one table that both the mutator and the validator read, so that
 * they cannot disagree. Schema, static type and defaults are one declaration; a new kind of rule is a new key of a row.
 */

const closed = { additionalProperties: false } as const
const seconds = (minimum: number, byDefault: number) =>
  Type.Integer({ minimum, maximum: 86_400, default: byDefault })

/** The name of the row for pods without an `agent-type` label. Without such a row they are denied. */
export const defaultRowName = 'default'

const ResourceList = Type.Object(
  {
    cpu: QuantityValue,
    memory: QuantityValue,
    'ephemeral-storage': Type.Optional(QuantityValue),
  },
  closed,
)
const Resources = Type.Object({ requests: ResourceList, limits: ResourceList }, closed)
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

const envName = Type.String({ pattern: '^[A-Za-z_][A-Za-z0-9_.-]*$' })
const objectName = Type.String({ pattern: '^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$' })
const labelPattern = '^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$'

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

const Row = Type.Object(
  {
    resources: Resources,
    probes: Type.Optional(Probes),
    env: Type.Array(Type.Object({ name: envName, value: Type.String() }, closed), {
      default: [],
      description: 'Defaults: a value in the pod itself wins.',
    }),
    secrets: Type.Array(SecretEnv, {
      default: [],
      description: 'Environment of the agent container by reference; wins over the pod.',
    }),
    allowedSecrets: Type.Array(objectName, {
      default: [],
      description: 'Secrets that a pod may refer to besides those in `secrets`.',
    }),
    appLabel: Type.Optional(Type.String({ pattern: labelPattern })),
    gracePeriodSeconds: Type.Optional(seconds(0, 30)),
    sidecar: Type.Optional(Resources),
  },
  // TypeBox fills in defaults inside a Record only where its values have one themselves.
  { ...closed, default: {} },
)
export type Row = Static<typeof Row>

const Defaults = Type.Object(
  {
    security: Type.Object(
      {
        // 0 is root; the restricted standard allows every other.
        runAsUser: Type.Integer({ minimum: 1, default: 1000 }),
        runAsGroup: Type.Integer({ minimum: 1, default: 1000 }),
        fsGroup: Type.Integer({ minimum: 1, default: 1000 }),
      },
      { ...closed, default: {} },
    ),
    tmp: Type.Object(
      {
        path: Type.String({ pattern: '^/[^:]*[^:/]$', default: '/tmp' }),
        sizeLimit: Type.Union([Type.String(), Type.Number()], { default: '64Mi' }),
      },
      { ...closed, default: {} },
    ),
    gracePeriodSeconds: seconds(0, 30),
    appLabel: Type.String({ pattern: labelPattern, default: defaultAppLabel }),
    sidecar: Type.Object(Resources.properties, {
      ...closed,
      default: { requests: { cpu: '25m', memory: '64Mi' }, limits: { cpu: '250m', memory: '256Mi' } },
    }),
    automountServiceAccountToken: Type.Literal(false, { default: false }),
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
  },
  { ...closed, default: {} },
)

const Component = Type.Object(
  {
    serviceAccount: objectName,
    images: Type.Array(Type.String({ minLength: 1 }), {
      minItems: 1,
      description: 'Exact references; a last character * stands for any ending.',
    }),
  },
  closed,
)
export type Component = Static<typeof Component>

/** The identity of Greenroom's controller, which alone creates and labels pods of pools. */
const controllerUsername = 'system:serviceaccount:ai-agents:session-management-sa'

export const PolicyDocument = Type.Object(
  {
    version: Type.String({ minLength: 1, maxLength: 63, description: 'Noted on every pod that it shaped.' }),
    defaults: Defaults,
    agentTypes: Type.Record(Type.String({ pattern: '^[a-z0-9]([-a-z0-9]{0,40}[a-z0-9])?$' }), Row),
    components: Type.Array(Component, {
      default: [],
      description: "Greenroom's own pods in a namespace of agents, by ServiceAccount and image.",
    }),
    greenroomServiceAccounts: Type.Array(Type.String({ pattern: '^system:serviceaccount:[^:]+:[^:]+$' }), {
      default: [controllerUsername],
      description: 'Who may set greenroom.dev/* and session.',
    }),
    namespaceOwners: Type.Object(
      {
        users: Type.Array(Type.String({ minLength: 1 }), { default: [] }),
        // Cluster administrators: by certificate, and as kubeadm makes them since 1.29.
        groups: Type.Array(Type.String({ minLength: 1 }), {
          default: ['system:masters', 'kubeadm:cluster-admins'],
        }),
      },
      {
        ...closed,
        default: {},
        description: 'Who may take a namespace out of the policy, by user name or group.',
      },
    ),
  },
  closed,
)
export type PolicyDocument = Static<typeof PolicyDocument>

const validator = Compile(PolicyDocument)

/** Checks the text of `policy.yaml`; the problems name their paths. */
export function checkPolicy(text: string): Checked<PolicyDocument> {
  return checkYaml<PolicyDocument>(text, validator, { relations: policyRelations })
}

/** In force while no document was ever accepted: everything restricted, no agent types, so every type is unknown. */
export const builtInPolicy: PolicyDocument = acceptedOrThrow(`
version: built-in
agentTypes:
  default:
    resources:
      requests: { cpu: 50m, memory: 64Mi }
      limits: { cpu: 250m, memory: 256Mi }
`)

function acceptedOrThrow(text: string): PolicyDocument {
  const checked = checkPolicy(text)
  if (!checked.ok) throw new Error(`the built-in policy is not valid: ${checked.problems.join('; ')}`)
  return checked.value
}
