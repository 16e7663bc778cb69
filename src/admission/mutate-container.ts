import {
  type AdmissionContext,
  containerSecurity,
  forcedEnv,
  podProbe,
  samePath,
  tmpVolumeName,
} from './expectations.ts'
import type { Container, EnvVar, SecurityContext } from './pod.ts'
import type { PolicyDocument, Resources } from './policy.ts'
import { sameQuantity } from './quantity.ts'
import type { RowInForce, Standing } from './standing.ts'

type Managed = Extract<Standing, { kind: 'agent' | 'plain' }>

interface ContainerOptions {
  readonly standing: Managed
  readonly context: AdmissionContext
  /** It alone gets the type's resources, probes, environment and secrets. */
  readonly isAgent: boolean
  /** Token volumes that leave the pod; their mounts go with them. */
  readonly removedVolumes: ReadonlySet<string>
}

/** A container as the table wants it; unknown fields stay as they are. */
export function mutateContainer(container: Container, options: ContainerOptions): Container {
  const { standing, context, isAgent } = options
  const { row } = standing
  const hardened: Container = {
    ...container,
    securityContext: hardenedContext(container.securityContext, context.policy),
    resources: withResources(container.resources, isAgent ? row.resources : row.sidecar),
    ...mountsOf(container, options),
  }
  if (!isAgent) return hardened
  return {
    ...hardened,
    ...probesOf(row),
    ...envOf(container, row, forcedEnv(standing, context)),
  }
}

function hardenedContext(given: SecurityContext | undefined, policy: PolicyDocument): SecurityContext {
  const drop = given?.capabilities?.drop ?? []
  return {
    ...given,
    ...containerSecurity(policy),
    capabilities: { ...given?.capabilities, drop: drop.includes('ALL') ? drop : [...drop, 'ALL'] },
  }
}

function withResources(
  given: Container['resources'],
  wanted: Resources,
): NonNullable<Container['resources']> {
  return {
    ...given,
    requests: quantitiesOf(given?.requests, wanted.requests),
    limits: quantitiesOf(given?.limits, wanted.limits),
  }
}

type Quantities = Record<string, string | number>

/** The wanted quantities in the pod's own notation where that says the same: `1` stays, though the table has `1000m`. */
function quantitiesOf(given: Quantities | undefined, wanted: Resources['limits']): Quantities {
  const result: Quantities = {}
  for (const [name, quantity] of Object.entries(wanted)) {
    const present = given?.[name]
    result[name] = present !== undefined && sameQuantity(present, quantity) ? present : String(quantity)
  }
  return result
}

function mountsOf(
  container: Container,
  { context, removedVolumes }: ContainerOptions,
): Pick<Container, 'volumeMounts'> {
  const { path } = context.policy.defaults.tmp
  const kept = (container.volumeMounts ?? []).filter((mount) => !removedVolumes.has(mount.name))
  if (kept.some((mount) => samePath(mount.mountPath, path))) return { volumeMounts: kept }
  return { volumeMounts: [...kept, { name: tmpVolumeName, mountPath: path }] }
}

/** Probes that the row names; others stay the pod's own. */
function probesOf({
  probes,
}: RowInForce): Pick<Container, 'livenessProbe' | 'readinessProbe' | 'startupProbe'> {
  return {
    ...(probes.liveness && { livenessProbe: podProbe(probes.liveness) }),
    ...(probes.readiness && { readinessProbe: podProbe(probes.readiness) }),
    ...(probes.startup && { startupProbe: podProbe(probes.startup) }),
  }
}

/**
 * Merges by name. A forced variable takes the place of every one of its name (the kubelet lets the last win) and no entry
 * moves: a moved one would appear in the patch with its value, and patches go to the audit log. The row's plain values
 * are defaults only.
 */
function envOf(container: Container, row: RowInForce, forced: readonly EnvVar[]): Pick<Container, 'env'> {
  const given = container.env ?? []
  const byName = new Map(forced.map((entry) => [entry.name, entry]))
  const present = new Set(given.map((entry) => entry.name))
  const env = [
    ...given.map((entry) => byName.get(entry.name) ?? entry),
    ...[...forced, ...row.env].filter((entry) => !present.has(entry.name)),
  ]
  return env.length > 0 || container.env ? { env } : {}
}
