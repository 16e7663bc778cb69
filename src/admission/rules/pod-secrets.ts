import { label } from '../../domain/names.ts'
import type { ContainerKind, PlacedContainer, Volume } from '../pod/pod.ts'
import type { AdmissionContext } from './admission-context.ts'
import { everyContainer } from './field-path.ts'

/** Which Secrets a pod refers to, and whether it is of those that a row gives its Secrets to. */

/** The fields of Secrets that reach a process. */
export const secretFields = [
  `${everyContainer}.{env[*].valueFrom.secretKeyRef.name,envFrom[*].secretRef.name}`,
  `${everyContainer}.env[*].valueFrom.secretKeyRef.key`,
  'spec.volumes[*].{secret.secretName,projected.sources[*].secret.name}',
  'spec.volumes[*].csi.{nodePublishSecretRef.name,volumeAttributes[*]}',
] as const

export interface SecretReference {
  readonly path: string
  readonly secret: string | undefined
  /** Of the Secret; absent where the reference is to the whole of it. */
  readonly key?: string
  /** The value is an attribute of a driver, and may be a secret itself. */
  readonly isAttribute?: true
  /** Of the container; absent for volumes. */
  readonly kind?: ContainerKind
}

type SecretsOfPod = Pick<AdmissionContext, 'pod' | 'containers' | 'namespace'>

export function secretReferencesOf({ pod, containers, namespace }: SecretsOfPod): SecretReference[] {
  const found: SecretReference[] = []
  for (const placed of containers) addOfContainer(placed, found)
  for (const [index, volume] of pod.spec.volumes?.entries() ?? [])
    addOfVolume(volume, `spec.volumes[${index}]`, namespace, found)
  return found
}

/**
 * True for pods that Greenroom's controller makes from agent-pools. Rule label-ownership refuses the label on pods of
 * others.
 */
export function isPoolPod({ pod }: Pick<AdmissionContext, 'pod'>): boolean {
  return pod.metadata?.labels?.[label.pool] !== undefined
}

function addOfContainer({ container, path, kind }: PlacedContainer, found: SecretReference[]): void {
  for (const { name, valueFrom } of container.env ?? []) {
    if (!valueFrom?.secretKeyRef) continue
    const { name: secret, key = '' } = valueFrom.secretKeyRef
    found.push({ path: `${path}.env[${name}].valueFrom.secretKeyRef.name`, secret, key, kind })
  }
  for (const [index, { secretRef }] of container.envFrom?.entries() ?? []) {
    if (secretRef)
      found.push({ path: `${path}.envFrom[${index}].secretRef.name`, secret: secretRef.name, kind })
  }
}

function addOfVolume(
  { secret, projected, csi }: Volume,
  path: string,
  namespace: string,
  found: SecretReference[],
): void {
  if (secret) found.push({ path: `${path}.secret.secretName`, secret: secret.secretName })
  const published = csi?.nodePublishSecretRef
  if (published) found.push({ path: `${path}.csi.nodePublishSecretRef.name`, secret: published.name })
  for (const [key, value] of Object.entries(csi?.volumeAttributes ?? {})) {
    if (!isSecretAttribute(key, value, namespace)) continue
    found.push({ path: `${path}.csi.volumeAttributes[${key}]`, secret: value, isAttribute: true })
  }
  for (const [index, { secret: source }] of projected?.sources?.entries() ?? []) {
    if (source) found.push({ path: `${path}.projected.sources[${index}].secret.name`, secret: source.name })
  }
}

/**
 * Drivers read Secrets for a pod by attributes of their own: secretProviderClass, secretName, nodeStageSecretName. What
 * only says that the Secret is in the pod's own namespace names no Secret.
 */
function isSecretAttribute(key: string, value: string, namespace: string): boolean {
  return /secret/i.test(key) && !(/namespace/i.test(key) && value === namespace)
}
