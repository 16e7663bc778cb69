import type { Container, Volume } from '../pod/pod.ts'
import { fitsPattern } from '../policy/name-pattern.ts'
import { everyContainer } from './field-path.ts'
import { finding, type GreenroomRule, podsOfRows } from './greenroom-rule.ts'

export const secretReferences: GreenroomRule = {
  rule: 'secret-references',
  title: 'Secrets',
  fields: [
    `${everyContainer}.{env[*].valueFrom.secretKeyRef.name,envFrom[*].secretRef.name}`,
    'spec.volumes[*].{secret.secretName,projected.sources[*].secret.name}',
    'spec.volumes[*].csi.{nodePublishSecretRef.name,volumeAttributes.secretProviderClass}',
    'spec.imagePullSecrets[*].name',
  ],
  allowed: "the Secrets in the row's `secrets` and `allowedSecrets`",
  appliesTo: podsOfRows,
  mode: 'always',
  mutated: 'no',
  why: "An author of pods could otherwise read every Secret of the namespace, Greenroom's signing key included.",
  fix: "Name the Secret in the row's allowedSecrets, or leave the reference out.",
  judge({ pod, containers, row }) {
    const allowedSecrets = row?.allowedSecrets ?? []
    const references = [
      ...containers.flatMap(({ container, path }) => inContainer(container, path)),
      ...(pod.spec.volumes ?? []).flatMap((volume, index) => inVolume(volume, `spec.volumes[${index}]`)),
      ...(pod.spec.imagePullSecrets ?? []).map(({ name }, index) => ({
        path: `spec.imagePullSecrets[${index}].name`,
        secret: name,
      })),
    ]
    const allowed = allowedSecrets.length > 0 ? allowedSecrets.join(', ') : 'no Secret'
    return references
      .filter(
        ({ secret }) => secret === undefined || !allowedSecrets.some((name) => fitsPattern(secret, name)),
      )
      .map(({ path, secret }) => finding(path, secret, allowed))
  },
}

interface SecretReference {
  readonly path: string
  readonly secret: string | undefined
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
  // Not a Secret of the cluster, but the driver fetches secrets for the pod by it.
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
