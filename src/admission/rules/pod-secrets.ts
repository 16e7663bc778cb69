import { label } from '../../domain/names.ts'
import type { Container, ContainerKind, Volume } from '../pod/pod.ts'
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
  return [
    ...containers.flatMap(({ container, path, kind }) =>
      inContainer(container, path).map((reference) => ({ ...reference, kind })),
    ),
    ...(pod.spec.volumes ?? []).flatMap((volume, index) =>
      inVolume(volume, `spec.volumes[${index}]`, namespace),
    ),
  ]
}

/**
 * True for pods that Greenroom's controller makes from agent-pools. Rule label-ownership refuses the label on pods of
 * others.
 */
export function isPoolPod({ pod }: Pick<AdmissionContext, 'pod'>): boolean {
  return pod.metadata?.labels?.[label.pool] !== undefined
}

function inContainer(container: Container, path: string): SecretReference[] {
  return [
    ...(container.env ?? []).flatMap(({ name, valueFrom }) =>
      valueFrom?.secretKeyRef
        ? [
            {
              path: `${path}.env[${name}].valueFrom.secretKeyRef.name`,
              secret: valueFrom.secretKeyRef.name,
              key: valueFrom.secretKeyRef.key ?? '',
            },
          ]
        : [],
    ),
    ...(container.envFrom ?? []).flatMap(({ secretRef }, index) =>
      secretRef ? [{ path: `${path}.envFrom[${index}].secretRef.name`, secret: secretRef.name }] : [],
    ),
  ]
}

function inVolume({ secret, projected, csi }: Volume, path: string, namespace: string): SecretReference[] {
  const published = csi?.nodePublishSecretRef
  return [
    ...(secret ? [{ path: `${path}.secret.secretName`, secret: secret.secretName }] : []),
    ...(published ? [{ path: `${path}.csi.nodePublishSecretRef.name`, secret: published.name }] : []),
    ...Object.entries(csi?.volumeAttributes ?? {})
      .filter(([key, value]) => isSecretAttribute(key, value, namespace))
      .map(([key, value]) => ({
        path: `${path}.csi.volumeAttributes[${key}]`,
        secret: value,
        isAttribute: true as const,
      })),
    ...(projected?.sources ?? []).flatMap((source, index) =>
      source.secret
        ? [{ path: `${path}.projected.sources[${index}].secret.name`, secret: source.secret.name }]
        : [],
    ),
  ]
}

/**
 * Drivers read Secrets for a pod by attributes of their own: secretProviderClass, secretName, nodeStageSecretName. What
 * only says that the Secret is in the pod's own namespace names no Secret.
 */
function isSecretAttribute(key: string, value: string, namespace: string): boolean {
  return /secret/i.test(key) && !(/namespace/i.test(key) && value === namespace)
}
