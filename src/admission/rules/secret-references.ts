import type { Container, Volume } from '../pod/pod.ts'
import { violationOf } from '../pod/violation.ts'
import { secretFits } from '../policy/secret-names.ts'
import type { Check } from './judged-pod.ts'

interface SecretReference {
  readonly path: string
  readonly secret: string | undefined
}

/**
 * Whoever may create a pod could read every Secret of the namespace through it, Greenroom's signing key included.
 * Fields: `env[*].valueFrom.secretKeyRef`, `envFrom[*].secretRef` of every container; `spec.volumes[*].secret`,
 * `.projected.sources[*].secret`, `.csi.nodePublishSecretRef`, `.csi.volumeAttributes.secretProviderClass`;
 * `spec.imagePullSecrets[*]`.
 * Allowed: the Secrets named in the row's `secrets` and `allowedSecrets` (names, or beginnings that end in `*`).
 */
export const checkSecretReferences: Check = ({ pod, containers, row }) => {
  if (!row) return []
  const { allowedSecrets } = row
  const references = [
    ...containers.flatMap(({ container, path }) => inContainer(container, path)),
    ...(pod.spec.volumes ?? []).flatMap((volume, index) => inVolume(volume, `spec.volumes[${index}]`)),
    ...(pod.spec.imagePullSecrets ?? []).map(({ name }, index) => ({
      path: `spec.imagePullSecrets[${index}].name`,
      secret: name,
    })),
  ]
  const rule = {
    rule: 'secret-references',
    allowed: allowedSecrets.length > 0 ? allowedSecrets.join(', ') : 'no Secret',
    fix: "Name the Secret in the row's allowedSecrets, or leave the reference out.",
  }
  return references
    .filter(({ secret }) => secret === undefined || !allowedSecrets.some((name) => secretFits(secret, name)))
    .map(({ path, secret }) => violationOf(rule, path, secret))
}

function inContainer(container: Container, path: string): SecretReference[] {
  return [
    ...(container.env ?? []).flatMap(({ valueFrom }, index) =>
      valueFrom?.secretKeyRef
        ? [{ path: `${path}.env[${index}].valueFrom.secretKeyRef.name`, secret: valueFrom.secretKeyRef.name }]
        : [],
    ),
    ...(container.envFrom ?? []).flatMap(({ secretRef }, index) =>
      secretRef ? [{ path: `${path}.envFrom[${index}].secretRef.name`, secret: secretRef.name }] : [],
    ),
  ]
}

function inVolume({ secret, projected, csi }: Volume, path: string): SecretReference[] {
  const published = csi?.nodePublishSecretRef
  // Not a Secret of the cluster, but secrets all the same: the driver fetches them for the pod.
  const provider = csi?.volumeAttributes?.secretProviderClass
  return [
    ...(secret ? [{ path: `${path}.secret.secretName`, secret: secret.secretName }] : []),
    ...(published ? [{ path: `${path}.csi.nodePublishSecretRef.name`, secret: published.name }] : []),
    ...(provider !== undefined
      ? [{ path: `${path}.csi.volumeAttributes.secretProviderClass`, secret: provider }]
      : []),
    ...(projected?.sources ?? []).flatMap((source, index) =>
      source.secret
        ? [{ path: `${path}.projected.sources[${index}].secret.name`, secret: source.secret.name }]
        : [],
    ),
  ]
}
