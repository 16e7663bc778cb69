import { type Static, type TSchema, Type } from 'typebox'

/**
 * The parts of a pod that admission reads, as the API server sends them. Every object is open: fields that this
 * version does not know are kept as they are (a typed decode-and-encode would drop what a newer Kubernetes added).
 */

const optional = <T extends TSchema>(schema: T) => Type.Optional(schema)
const text = optional(Type.String())
const flag = optional(Type.Boolean())
const texts = optional(Type.Array(Type.String()))
const named = optional(Type.Object({ name: text }))
const textMap = optional(Type.Record(Type.String(), Type.String()))

/** A quantity is a string; some clients write a number. */
export const QuantityValue = Type.Union([Type.String(), Type.Number()])
const quantities = optional(Type.Record(Type.String(), QuantityValue))

const TypedProfile = Type.Object({ type: text })

const SecurityContext = Type.Object({
  privileged: flag,
  allowPrivilegeEscalation: flag,
  readOnlyRootFilesystem: flag,
  runAsNonRoot: flag,
  runAsUser: optional(Type.Integer()),
  runAsGroup: optional(Type.Integer()),
  fsGroup: optional(Type.Integer()),
  supplementalGroups: optional(Type.Array(Type.Integer())),
  supplementalGroupsPolicy: text,
  procMount: text,
  capabilities: optional(Type.Object({ add: texts, drop: texts })),
  seccompProfile: optional(TypedProfile),
  appArmorProfile: optional(TypedProfile),
  seLinuxOptions: optional(Type.Object({ type: text, user: text, role: text })),
  windowsOptions: optional(Type.Object({ hostProcess: flag })),
  sysctls: optional(Type.Array(Type.Object({ name: Type.String() }))),
})
export type SecurityContext = Static<typeof SecurityContext>

const handler = {
  httpGet: optional(
    Type.Object({
      host: text,
      path: text,
      scheme: text,
      port: optional(Type.Union([Type.String(), Type.Integer()])),
    }),
  ),
  tcpSocket: optional(Type.Object({ host: text })),
  exec: optional(Type.Object({})),
}
const Handler = optional(Type.Object(handler))
const Probe = optional(
  Type.Object({
    ...handler,
    initialDelaySeconds: optional(Type.Integer()),
    timeoutSeconds: optional(Type.Integer()),
    periodSeconds: optional(Type.Integer()),
    successThreshold: optional(Type.Integer()),
    failureThreshold: optional(Type.Integer()),
  }),
)

const EnvVar = Type.Object({
  name: Type.String(),
  value: text,
  valueFrom: optional(
    Type.Object({
      secretKeyRef: optional(Type.Object({ name: text, key: text, optional: flag })),
      fieldRef: optional(Type.Object({ apiVersion: text, fieldPath: text })),
    }),
  ),
})
export type EnvVar = Static<typeof EnvVar>

const VolumeMount = Type.Object({
  name: Type.String(),
  mountPath: Type.String(),
  subPath: text,
  subPathExpr: text,
})
export type VolumeMount = Static<typeof VolumeMount>

const Container = Type.Object({
  name: Type.String(),
  image: text,
  command: texts,
  args: texts,
  workingDir: text,
  terminationMessagePath: text,
  terminationMessagePolicy: text,
  env: optional(Type.Array(EnvVar)),
  envFrom: optional(Type.Array(Type.Object({ prefix: text, secretRef: named, configMapRef: named }))),
  restartPolicy: text,
  ports: optional(Type.Array(Type.Object({ hostPort: optional(Type.Integer()) }))),
  resources: optional(Type.Object({ requests: quantities, limits: quantities })),
  volumeMounts: optional(Type.Array(VolumeMount)),
  livenessProbe: Probe,
  readinessProbe: Probe,
  startupProbe: Probe,
  lifecycle: optional(Type.Object({ postStart: Handler, preStop: Handler })),
  securityContext: optional(SecurityContext),
})
export type Container = Static<typeof Container>
export type PodProbe = NonNullable<Container['livenessProbe']>

const Volume = Type.Object({
  name: Type.String(),
  emptyDir: optional(Type.Object({ sizeLimit: optional(QuantityValue), medium: text })),
  secret: optional(Type.Object({ secretName: text })),
  configMap: named,
  image: optional(Type.Object({ reference: text })),
  persistentVolumeClaim: optional(Type.Object({ claimName: text })),
  ephemeral: optional(
    Type.Object({
      volumeClaimTemplate: optional(
        Type.Object({
          spec: optional(
            Type.Object({
              storageClassName: text,
              resources: optional(Type.Object({ requests: quantities })),
            }),
          ),
        }),
      ),
    }),
  ),
  csi: optional(Type.Object({ nodePublishSecretRef: named, volumeAttributes: textMap })),
  projected: optional(
    Type.Object({
      // Go writes an absent list here as null.
      sources: optional(
        Type.Union([
          Type.Null(),
          Type.Array(
            Type.Object({
              secret: named,
              configMap: named,
              serviceAccountToken: optional(Type.Object({})),
              downwardAPI: optional(Type.Object({})),
            }),
          ),
        ]),
      ),
    }),
  ),
})
export type Volume = Static<typeof Volume>

export const Metadata = Type.Object({
  name: text,
  namespace: text,
  labels: textMap,
  annotations: textMap,
  ownerReferences: optional(Type.Array(Type.Object({ controller: flag }))),
  finalizers: texts,
})
export type Metadata = Static<typeof Metadata>

const NodeSelectorTerm = Type.Object({
  matchExpressions: optional(
    Type.Array(Type.Object({ key: Type.String(), operator: Type.String(), values: texts })),
  ),
})
export type NodeSelectorTerm = Static<typeof NodeSelectorTerm>

const Affinity = Type.Object({
  nodeAffinity: optional(
    Type.Object({
      requiredDuringSchedulingIgnoredDuringExecution: optional(
        // Go writes an absent list here as null.
        Type.Object({ nodeSelectorTerms: Type.Union([Type.Null(), Type.Array(NodeSelectorTerm)]) }),
      ),
    }),
  ),
})
export type Affinity = Static<typeof Affinity>

const Toleration = Type.Object({
  key: text,
  operator: text,
  value: text,
  effect: text,
  tolerationSeconds: optional(Type.Integer()),
})
export type Toleration = Static<typeof Toleration>

const TopologySpread = Type.Object({
  topologyKey: Type.String(),
  whenUnsatisfiable: Type.String(),
  maxSkew: optional(Type.Integer()),
  labelSelector: optional(Type.Object({ matchLabels: textMap })),
})
export type TopologySpread = Static<typeof TopologySpread>

const PodSpec = Type.Object({
  containers: Type.Array(Container),
  initContainers: optional(Type.Array(Container)),
  ephemeralContainers: optional(Type.Array(Container)),
  volumes: optional(Type.Array(Volume)),
  securityContext: optional(SecurityContext),
  /** Pod-level resources, which would bypass those of the agent type's row. */
  resources: optional(Type.Object({ requests: quantities, limits: quantities })),
  serviceAccountName: text,
  /** The older name of the same; the API server writes both. */
  serviceAccount: text,
  resourceClaims: optional(
    Type.Array(Type.Object({ resourceClaimName: text, resourceClaimTemplateName: text })),
  ),
  imagePullSecrets: optional(Type.Array(Type.Object({ name: text }))),
  nodeName: text,
  affinity: optional(Affinity),
  tolerations: optional(Type.Array(Toleration)),
  topologySpreadConstraints: optional(Type.Array(TopologySpread)),
  runtimeClassName: text,
  /** Worked out by a plugin from the runtime class. */
  overhead: quantities,
  priorityClassName: text,
  /** Worked out by a plugin from the priority class, as is the next. */
  priority: optional(Type.Integer()),
  preemptionPolicy: text,
  automountServiceAccountToken: flag,
  terminationGracePeriodSeconds: optional(Type.Integer()),
  hostNetwork: flag,
  hostPID: flag,
  hostIPC: flag,
  hostUsers: flag,
  os: optional(Type.Object({ name: text })),
})

export const Pod = Type.Object({ metadata: optional(Metadata), spec: PodSpec })
export type Pod = Static<typeof Pod>
export type PodSpec = Static<typeof PodSpec>

/** All containers, in the notation of rules/field-path.ts. */
export const everyContainer = 'spec.{containers,initContainers,ephemeralContainers}[*]'

export type ContainerKind = 'main' | 'init' | 'ephemeral'
export interface PlacedContainer {
  readonly container: Container
  readonly kind: ContainerKind
  /** As Kubernetes writes field paths: `spec.containers[0]`. */
  readonly path: string
}

/** Every container of the pod with its field path: init containers first, as they start first. */
export function containersOf(pod: Pod): PlacedContainer[] {
  const { containers, initContainers = [], ephemeralContainers = [] } = pod.spec
  const place = (list: readonly Container[], kind: ContainerKind, field: string): PlacedContainer[] =>
    list.map((container, index) => ({ container, kind, path: `spec.${field}[${index}]` }))
  return [
    ...place(initContainers, 'init', 'initContainers'),
    ...place(containers, 'main', 'containers'),
    ...place(ephemeralContainers, 'ephemeral', 'ephemeralContainers'),
  ]
}
