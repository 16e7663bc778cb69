import { label } from '../../domain/names.ts'
import { limitRangerDefaults } from '../pod/limit-ranger.ts'
import type { Container, ContainerKind, Metadata, Pod, PodSpec } from '../pod/pod.ts'
import { isEnforced } from '../policy/modes.ts'
import { agentContainerOf, isShaped, type Managed, standingOf } from '../policy/pod-class.ts'
import { type AdmissionContext, hardenedPodContext, writtenAnnotations } from '../rules/expected-fields.ts'
import { scheduledSpec } from '../rules/scheduling.ts'
import { type ContainerOptions, mutateContainer, mutateDebugContainer } from './mutate-container.ts'
import { removedVolumes, volumesOf } from './mutate-volumes.ts'

/**
 * The pod as the table wants it. A new object; the given one is left alone, and so are Greenroom's components, pods of
 * an unknown type and Windows pods. What the table does not decide stays, unknown fields included; what cannot be made
 * right (`privileged`, `hostPath`, a foreign label) stays for the validator to refuse.
 */
export function mutatePod(pod: Pod, context: AdmissionContext): Pod {
  const standing = standingOf(pod, context.policy)
  if (!isShaped(standing, pod)) return pod
  return {
    ...pod,
    metadata: mutateMetadata(pod.metadata ?? {}, standing, context),
    spec: mutateSpec(pod, standing, context),
  }
}

/**
 * The pod with its new debug containers hardened; those that were there before cannot be changed any more. `before` is
 * the pod as it was.
 */
export function mutateDebugContainers(pod: Pod, before: Pod, context: AdmissionContext): Pod {
  const standing = standingOf(pod, context.policy)
  const { ephemeralContainers } = pod.spec
  if (!isShaped(standing, pod) || !ephemeralContainers) return pod
  const older = new Set(before.spec.ephemeralContainers?.map(({ name }) => name))
  const containers = ephemeralContainers.map((container) =>
    older.has(container.name) ? container : mutateDebugContainer(container, standing.row),
  )
  return { ...pod, spec: { ...pod.spec, ephemeralContainers: containers } }
}

/** Labels only where absent: a changed `app` would make a ReplicaSet let go of its pod. */
function mutateMetadata(metadata: Metadata, standing: Managed, context: AdmissionContext): Metadata {
  const { appLabel } = standing.row
  const labelled = appLabel !== undefined && isEnforced('app-label', context.policy)
  return {
    ...metadata,
    ...(labelled && { labels: { [label.app]: appLabel, ...metadata.labels } }),
    annotations: { ...metadata.annotations, ...writtenAnnotations(standing, context) },
  }
}

function mutateSpec(pod: Pod, standing: Managed, context: AdmissionContext): PodSpec {
  const { policy } = context
  const { row } = standing
  const removed = removedVolumes(pod, row)
  const paths = isEnforced('writable-paths', policy) ? row.writablePaths : []
  const shared = { standing, context, removed, paths, isDefaulted: limitRangerDefaults(pod.metadata) }
  const { containers, initContainers } = mutateContainers(pod, shared)
  const mounted = mountedNames([...containers, ...(initContainers ?? [])])
  const volumes = volumesOf(pod, { removed, paths, row, mounted })
  const { stale, ...classes } = classesOf(pod.spec, standing, context)
  return {
    ...without(pod.spec, stale),
    containers,
    ...(initContainers && { initContainers }),
    ...(volumes && { volumes }),
    ...scheduledSpec(pod.spec, row, policy),
    ...classes,
    securityContext: hardenedPodContext(pod.spec.securityContext, row, policy),
    // A pod that wants no token gets none, even where it might.
    ...(!row.automountServiceAccountToken && { automountServiceAccountToken: false }),
    ...(isEnforced('grace-period', policy) && { terminationGracePeriodSeconds: row.gracePeriodSeconds }),
  }
}

function without(spec: PodSpec, fields: readonly string[]): PodSpec {
  const rest: Record<string, unknown> = { ...spec }
  for (const field of fields) delete rest[field]
  return rest as PodSpec
}

function mutateContainers(
  pod: Pod,
  shared: Omit<ContainerOptions, 'kind' | 'isAgent'>,
): Pick<PodSpec, 'containers' | 'initContainers'> {
  const agent = agentContainerOf(pod)
  const mutate =
    (kind: ContainerKind) =>
    (container: Container): Container =>
      mutateContainer(container, { ...shared, kind, isAgent: container === agent })
  const { containers, initContainers } = pod.spec
  return {
    containers: containers.map(mutate('main')),
    ...(initContainers && { initContainers: initContainers.map(mutate('init')) }),
  }
}

function mountedNames(containers: readonly Container[]): Set<string> {
  return new Set(containers.flatMap(({ volumeMounts = [] }) => volumeMounts.map(({ name }) => name)))
}

/**
 * Classes and account that the row names. What a plugin worked out of the former class is stale: left there, the plugin
 * would refuse the new class when it looks again. Of the same class it stays, for nothing works it out a third time.
 * Pod-level resources always go: they would go around the row's.
 */
function classesOf(
  spec: PodSpec,
  { row }: Managed,
  { policy }: AdmissionContext,
): Partial<PodSpec> & { readonly stale: readonly string[] } {
  const { priorityClassName, runtimeClassName, serviceAccountName } = row
  const newPriority =
    priorityClassName !== undefined &&
    priorityClassName !== spec.priorityClassName &&
    isEnforced('priority-class', policy)
  const newRuntime =
    runtimeClassName !== undefined &&
    runtimeClassName !== spec.runtimeClassName &&
    isEnforced('runtime-class', policy)
  return {
    stale: [
      'resources',
      ...(newPriority ? ['priority', 'preemptionPolicy'] : []),
      ...(newRuntime ? ['overhead'] : []),
    ],
    ...(newPriority && { priorityClassName }),
    ...(newRuntime && { runtimeClassName }),
    ...(serviceAccountName !== undefined && {
      serviceAccountName,
      ...(spec.serviceAccount !== undefined && { serviceAccount: serviceAccountName }),
    }),
  }
}
