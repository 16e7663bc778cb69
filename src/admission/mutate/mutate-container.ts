import type { IsDefaulted } from '../pod/limit-ranger.ts'
import type { Container, ContainerKind, EnvVar } from '../pod/pod.ts'
import type { NamedPath, RowInForce } from '../policy/effective-row.ts'
import { isEnforced } from '../policy/modes.ts'
import type { Managed } from '../policy/pod-class.ts'
import { filledResources } from '../rules/container-resources.ts'
import {
  type AdmissionContext,
  forcedEnv,
  hardenedContainerContext,
  hardenedDebugContext,
} from '../rules/expected-fields.ts'
import { mountsOf } from './mutate-volumes.ts'

export interface ContainerOptions {
  readonly standing: Managed
  readonly context: AdmissionContext
  readonly kind: ContainerKind
  /** It alone gets the type's resources, probes, environment and secrets. */
  readonly isAgent: boolean
  /** Token volumes that leave the pod; their mounts go with them. */
  readonly removed: ReadonlySet<string>
  /** Writable places that every container has; none while the rule is not enforced. */
  readonly paths: readonly NamedPath[]
  readonly isDefaulted: IsDefaulted
}

/** A container as the table wants it; unknown fields stay as they are. */
export function mutateContainer(container: Container, options: ContainerOptions): Container {
  const { standing, context, kind, isAgent, removed, paths, isDefaulted } = options
  const { row } = standing
  const placed = { kind, name: container.name }
  const hardened: Container = {
    ...container,
    securityContext: hardenedContainerContext(container.securityContext, row, context.policy),
    resources: filledResources(
      container.resources,
      isAgent ? row.resources : row.sidecar,
      (field, resource) => isDefaulted(placed, field, resource),
    ),
    ...mountsOf(container, removed, paths),
  }
  if (!isAgent) return hardened
  return {
    ...hardened,
    // Others than the row's stay the pod's own.
    ...(isEnforced('probes', context.policy) && row.probes),
    ...envOf(container, row, forcedEnv(standing, context)),
  }
}

/** A debug container: nothing but its securityContext, for the API allows little else. */
export function mutateDebugContainer(container: Container, row: RowInForce): Container {
  return { ...container, securityContext: hardenedDebugContext(container.securityContext, row) }
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
