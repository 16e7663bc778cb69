import { label } from '../../domain/names.ts'
import type { PodResources } from '../../domain/pod-resources.ts'
import { parseQuantity } from '../../domain/quantity.ts'
import type { Container, EnvVar, PodProbe } from '../pod/pod.ts'
import type {
  Command,
  EphemeralClaims,
  Images,
  PolicyProbe,
  Resources,
  SecretEnv,
  Thin,
  WritablePath,
} from './container-settings.ts'
import { oncePer } from './once-per.ts'
import { ownPodEnv } from './own-pod-env.ts'
import type { PolicyDocument } from './policy-document.ts'
import { type Defaults, defaultRowName, type Row } from './policy-row.ts'
import type { MatchExpression, PolicyToleration, PolicyTopologySpread } from './scheduling-settings.ts'
import { resizable, thinRequest } from './thin-requests.ts'

/**
 * A row with the document's defaults filled in: what is in force for one pod. Values that become part of pods are made
 * once and shared by all pods. So a comparison finds the same object, and nothing may change one.
 */
export interface EffectiveRow {
  /** What is imposed. */
  readonly securityContext: Omit<Defaults['securityContext'], 'supplementalGroups'>
  /** Groups that a pod may name. */
  readonly allowedGroups: readonly number[]
  readonly resources: WantedResources
  /** Of the agent container of a pod of a pool until a session claims it; undefined where the row makes no difference. */
  readonly idle: WantedResources | undefined
  readonly sidecar: WantedResources
  /** Of the agent container, as they stand in a pod; absent where the row leaves one to the pod. */
  readonly probes: Pick<Container, ProbeField>
  readonly env: Defaults['env']
  /** By these variables its agents know their pod. */
  readonly ownEnv: readonly EnvVar[]
  /** Variables that refer to the row's secrets. A pod may refer to the same keys itself, and to no others of these Secrets. */
  readonly secretEnv: readonly EnvVar[]
  /** As a whole; names, or beginnings that end in `*`. */
  readonly allowedSecrets: readonly string[]
  readonly secretsFor: Defaults['secretsFor']
  readonly images: Images
  readonly commands: readonly Command[]
  readonly maxContainers: number
  readonly writablePaths: readonly NamedPath[]
  readonly emptyDirSizeLimit: string
  readonly ephemeralClaims: EphemeralClaims
  readonly nodeAffinity: readonly MatchExpression[]
  readonly tolerations: readonly PolicyToleration[]
  /** Besides `tolerations`. */
  readonly allowedTolerations: readonly PolicyToleration[]
  readonly topologySpread: readonly PolicyTopologySpread[]
  readonly runtimeClassName: string | undefined
  readonly priorityClassName: string | undefined
  readonly serviceAccountName: string | undefined
  readonly automountServiceAccountToken: boolean
  readonly volumeKinds: readonly string[]
  readonly resourceClaimTemplates: readonly string[]
  /** Undefined: the pod may have any `app` label. */
  readonly appLabel: string | undefined
  readonly gracePeriodSeconds: number
  readonly secretsVersion: string | undefined
}

/** A writable path with the name of its volume. */
export interface NamedPath extends WritablePath {
  readonly name: string
}

/** What a container gets, resource by resource. */
export type WantedResources = readonly WantedResource[]
export interface WantedResource {
  readonly name: string
  readonly request: string
  readonly limit: string
  /** What the container may ask for itself; without a range the two above are imposed. */
  readonly range?: { readonly min: bigint; readonly max: bigint; readonly text: string }
}

/** Disk of containers whose row sets none: an unbounded container can fill its node. */
const ephemeralStorage = { request: '64Mi', limit: '1Gi' } as const

/** The row of this name; undefined if the policy has none. */
export function effectiveRow(name: string, policy: PolicyDocument): EffectiveRow | undefined {
  return rowsOf(policy).get(name)
}

/** Resolved once per document, so that no review pays for it. */
const rowsOf = oncePer(
  (policy: PolicyDocument): ReadonlyMap<string, EffectiveRow> =>
    new Map(Object.entries(policy.agentTypes).map(([name, row]) => [name, resolve(row, policy, name)])),
)

/** The document's row over its defaults; policy-row.ts says how they are merged. */
function mergedRow(row: Row, { defaults }: PolicyDocument) {
  return {
    ...defaults,
    ...row,
    securityContext: { ...defaults.securityContext, ...row.securityContext },
    probes: { ...defaults.probes, ...row.probes },
  }
}

function resolve(row: Row, policy: PolicyDocument, name: string): EffectiveRow {
  const merged = mergedRow(row, policy)
  const isDefault = name === defaultRowName
  const { supplementalGroups = [], ...securityContext } = merged.securityContext
  return {
    securityContext,
    allowedGroups: [securityContext.runAsGroup, securityContext.fsGroup, ...supplementalGroups],
    resources: merged.resources ? wantedResources(merged.resources) : [],
    idle: merged.resources && merged.thin && idleResources(merged.resources, merged.thin),
    sidecar: wantedResources(merged.sidecar),
    probes: podProbes(merged.probes),
    env: merged.env,
    ownEnv: ownPodEnv(name),
    secretEnv: merged.secrets.map(secretEnv),
    allowedSecrets: merged.allowedSecrets,
    secretsFor: merged.secretsFor,
    images: merged.images,
    commands: merged.commands,
    maxContainers: merged.maxContainers,
    writablePaths: merged.writablePaths.map((entry) => ({ ...entry, name: volumeNameOf(entry.path) })),
    emptyDirSizeLimit: String(merged.emptyDirSizeLimit),
    ephemeralClaims: merged.ephemeralClaims,
    nodeAffinity: merged.nodeAffinity,
    tolerations: merged.tolerations,
    allowedTolerations: merged.allowedTolerations,
    topologySpread: merged.topologySpreadConstraints.map((constraint) => ({
      ...constraint,
      labelSelector: constraint.labelSelector ?? { matchLabels: { [label.agentType]: name } },
    })),
    runtimeClassName: merged.runtimeClassName,
    priorityClassName: merged.priorityClassName,
    serviceAccountName: merged.serviceAccountName,
    automountServiceAccountToken: merged.automountServiceAccountToken,
    volumeKinds: merged.volumeKinds,
    resourceClaimTemplates: merged.resourceClaimTemplates,
    // Pods without a type are not agents, so they do not get the defaults' label.
    appLabel: isDefault ? row.appLabel : merged.appLabel,
    gracePeriodSeconds: merged.gracePeriodSeconds,
    secretsVersion: merged.secretsVersion,
  }
}

export const probeFields = ['livenessProbe', 'readinessProbe', 'startupProbe'] as const
export type ProbeField = (typeof probeFields)[number]

function podProbes({
  liveness,
  readiness,
  startup,
}: NonNullable<Row['probes']>): Pick<Container, ProbeField> {
  return {
    ...(liveness && { livenessProbe: podProbe(liveness) }),
    ...(readiness && { readinessProbe: podProbe(readiness) }),
    ...(startup && { startupProbe: podProbe(startup) }),
  }
}

/** A probe as the API server writes it back, so that it compares equal. */
function podProbe(probe: PolicyProbe): PodProbe {
  return {
    httpGet: { path: probe.httpGet.path, port: probe.httpGet.port, scheme: 'HTTP' },
    // Go leaves out a zero: with one every pod would seem to differ.
    ...(probe.initialDelaySeconds > 0 && { initialDelaySeconds: probe.initialDelaySeconds }),
    timeoutSeconds: probe.timeoutSeconds,
    periodSeconds: probe.periodSeconds,
    successThreshold: 1,
    failureThreshold: probe.failureThreshold,
  }
}

function secretEnv({ env, secret, key, optional }: SecretEnv): EnvVar {
  return {
    name: env,
    valueFrom: { secretKeyRef: { name: secret, key, ...(optional && { optional: true }) } },
  }
}

function wantedResources(resources: Resources): WantedResources {
  return [...plainResources(resources), ...devices(resources)]
}

/** A pod of a pool asks for nothing itself, so there is no range. */
function idleResources(resources: Resources, thin: Thin): WantedResources {
  return withoutRange(wantedResources(resources)).map((resource) => {
    const name = resizable.find((candidate) => candidate === resource.name)
    return name ? { ...resource, request: thinRequest(name, resources, thin) } : resource
  })
}

/** What the row gives, whatever a pod may ask for. */
export function withoutRange(resources: WantedResources): WantedResources {
  return resources.map(({ name, request, limit }) => ({ name, request, limit }))
}

/** The same as amounts. A LimitRange's defaults change none of them: they fill in only what nobody gives, and a row gives all. */
export function amountsOfRow(resources: WantedResources): PodResources {
  const of = (field: 'request' | 'limit') =>
    Object.fromEntries(resources.map((one) => [one.name, parseQuantity(one[field]) ?? 0n]))
  return { requests: of('request'), limits: of('limit') }
}

/** Such as `nvidia.com/gpu`; Kubernetes wants their request to be their limit. */
function devices({ limits }: Resources): WantedResources {
  return Object.entries(limits)
    .filter(([name]) => !(plainNames as readonly string[]).includes(name))
    .map(([name, limit]) => ({ name, request: String(limit), limit: String(limit) }))
}

const plainNames = ['cpu', 'memory', 'ephemeral-storage'] as const

function plainResources({ requests, limits, min, max }: Resources): WantedResources {
  return plainNames.map((name) => {
    const limit = limits[name] ?? ephemeralStorage.limit
    const request = requests[name] ?? smaller(ephemeralStorage.request, limit)
    const wanted = { name, request: String(request), limit: String(limit) }
    if (min?.[name] === undefined && max?.[name] === undefined) return wanted
    const least = min?.[name] ?? request
    const most = max?.[name] ?? limit
    const range = {
      min: parseQuantity(least) ?? 0n,
      max: parseQuantity(most) ?? 0n,
      text: `${least} to ${most}`,
    }
    return { ...wanted, range }
  })
}

function smaller(a: string | number, b: string | number): string | number {
  return (parseQuantity(a) ?? 0n) <= (parseQuantity(b) ?? 0n) ? a : b
}

/** The names of Greenroom's own volumes begin like this. */
export const volumePrefix = 'greenroom-'

/** `/tmp` → `greenroom-tmp`, `/var/cache` → `greenroom-var-cache`. */
export function volumeNameOf(path: string): string {
  const words = path.toLowerCase().split(/[^a-z0-9]+/)
  return `${volumePrefix}${words.filter((word) => word !== '').join('-')}`
}
