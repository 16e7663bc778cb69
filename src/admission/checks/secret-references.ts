import type { Check } from '../judged-pod.ts'
import type { Container, Volume } from '../pod.ts'
import { violationOf } from '../violation.ts'

interface SecretReference {
  readonly path: string
  readonly secret: string | undefined
}

/**
 * Whoever may create a pod could read every Secret of the namespace through it, Greenroom's signing key included.
 * Fields: `env[*].valueFrom.secretKeyRef`, `envFrom[*].secretRef` of every container; `spec.volumes[*].secret`,
 * `.projected.sources[*].secret`, `.csi.nodePublishSecretRef`.
 * Allowed: the Secrets named in the row's `secrets` and `allowedSecrets`.
 */
export const checkSecretReferences: Check = ({ pod, containers, standing }) => {
  if (standing.kind !== 'agent' && standing.kind !== 'plain') return []
  const allowed = [...standing.row.secrets.map((entry) => entry.secret), ...standing.row.allowedSecrets]
  const rule = {
    rule: 'secret-references',
    allowed: allowed.length > 0 ? [...new Set(allowed)].join(', ') : 'no Secret',
    fix: "Name the Secret in the row's allowedSecrets, or leave the reference out.",
  }
  return [
    ...containers.flatMap(({ container, path }) => inContainer(container, path)),
    ...(pod.spec.volumes ?? []).flatMap((volume, index) => inVolume(volume, `spec.volumes[${index}]`)),
  ]
    .filter(({ secret }) => secret === undefined || !allowed.includes(secret))
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
  return [
    ...(secret ? [{ path: `${path}.secret.secretName`, secret: secret.secretName }] : []),
    ...(published ? [{ path: `${path}.csi.nodePublishSecretRef.name`, secret: published.name }] : []),
    ...(projected?.sources ?? []).flatMap((source, index) =>
      source.secret
        ? [{ path: `${path}.projected.sources[${index}].secret.name`, secret: source.secret.name }]
        : [],
    ),
  ]
}
