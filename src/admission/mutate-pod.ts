import { label } from '../domain/names.ts'
import {
  type AdmissionContext,
  podSecurity,
  tmpVolumeName,
  tokenVolumePrefix,
  writtenAnnotations,
} from './expectations.ts'
import { mutateContainer } from './mutate-container.ts'
import type { Container, Metadata, Pod, PodSpec, Volume } from './pod.ts'
import type { PolicyDocument } from './policy.ts'
import { sameQuantity } from './quantity.ts'
import { agentContainerOf, type Standing, standingOf } from './standing.ts'

type Managed = Extract<Standing, { kind: 'agent' | 'plain' }>

/**
 * The pod as the table wants it. A new object; the given one is left alone, and so are Greenroom's components and pods
 * of an unknown type. What the table does not decide stays, unknown fields included; what cannot be made right
 * (`privileged`, `hostPath`, a foreign label) stays for the validator to refuse.
 */
export function mutatePod(pod: Pod, context: AdmissionContext): Pod {
  const standing = standingOf(pod, context.policy)
  if (standing.kind === 'component' || standing.kind === 'unknown-type') return pod
  return {
    ...pod,
    metadata: mutateMetadata(pod.metadata ?? {}, standing, context),
    spec: mutateSpec(pod, standing, context),
  }
}

/** Labels only where absent: a changed `app` would make a ReplicaSet let go of its pod. */
function mutateMetadata(metadata: Metadata, standing: Managed, context: AdmissionContext): Metadata {
  const { appLabel } = standing.row
  return {
    ...metadata,
    ...(appLabel !== undefined && { labels: { [label.app]: appLabel, ...metadata.labels } }),
    annotations: { ...metadata.annotations, ...writtenAnnotations(standing, context) },
  }
}

function mutateSpec(pod: Pod, standing: Managed, context: AdmissionContext): PodSpec {
  // Pod-level resources would go around the row's.
  const { resources: _podLevel, ...spec } = pod.spec
  const removedVolumes = new Set((spec.volumes ?? []).filter(isInjectedToken).map((volume) => volume.name))
  const agent = agentContainerOf(pod)
  const mutate = (container: Container): Container =>
    mutateContainer(container, { standing, context, removedVolumes, isAgent: container === agent })
  const containers = spec.containers.map(mutate)
  const initContainers = spec.initContainers?.map(mutate)
  const kept = (spec.volumes ?? []).filter((volume) => !removedVolumes.has(volume.name))
  const needsTmp = [...containers, ...(initContainers ?? [])].some((container) =>
    container.volumeMounts?.some((mount) => mount.name === tmpVolumeName),
  )
  return {
    ...spec,
    containers,
    ...(initContainers && { initContainers }),
    ...((spec.volumes || needsTmp) && { volumes: needsTmp ? withTmpVolume(kept, context.policy) : kept }),
    securityContext: { ...spec.securityContext, ...podSecurity(context.policy) },
    automountServiceAccountToken: context.policy.defaults.automountServiceAccountToken,
    terminationGracePeriodSeconds: standing.row.gracePeriodSeconds,
  }
}

/** The volume that the ServiceAccount plugin added before us; a volume of that name with other contents is judged. */
export function isInjectedToken(volume: Volume): boolean {
  return (
    volume.name.startsWith(tokenVolumePrefix) &&
    (volume.projected?.sources ?? []).some((source) => source.serviceAccountToken !== undefined)
  )
}

/** Whatever the pod calls by this name becomes the table's: the name belongs to Greenroom. */
function withTmpVolume(volumes: readonly Volume[], { defaults }: PolicyDocument): Volume[] {
  const present = volumes.find((volume) => volume.name === tmpVolumeName)
  if (!present) return [...volumes, tmpVolume(String(defaults.tmp.sizeLimit))]
  if (sameQuantity(present.emptyDir?.sizeLimit, defaults.tmp.sizeLimit)) return [...volumes]
  return volumes.map((volume) => (volume === present ? tmpVolume(String(defaults.tmp.sizeLimit)) : volume))
}

function tmpVolume(sizeLimit: string): Volume {
  return { name: tmpVolumeName, emptyDir: { sizeLimit } }
}
