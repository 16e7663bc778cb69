import { label } from '../../domain/names.ts'
import { fitsPattern } from '../policy/name-pattern.ts'
import type { AdmissionContext } from './admission-context.ts'
import { finding, type GreenroomRule, podsOfRows } from './greenroom-rule.ts'
import { isPoolPod, type SecretReference, secretFields, secretReferencesOf } from './pod-secrets.ts'

export const secretReferences: GreenroomRule = {
  rule: 'secret-references',
  title: 'Secrets',
  fields: [...secretFields, 'spec.imagePullSecrets[*].name', `metadata.labels[${label.pool}]`],
  allowed:
    "the Secrets in the row's `secrets` and `allowedSecrets`; with `secretsFor: pools` others than pods of pools may only pull images with them. " +
    'Attributes of CSI volumes that have `secret` in their name count as names of Secrets',
  appliesTo: podsOfRows,
  mode: 'always',
  mutated: 'no',
  why: "An author of pods could otherwise read every Secret of the namespace, Greenroom's signing key included.",
  fix: "Name the Secret in the row's allowedSecrets, or leave the reference out.",
  judge(context) {
    const allowedSecrets = context.row?.allowedSecrets ?? []
    const pulling = (context.pod.spec.imagePullSecrets ?? []).map(
      ({ name }, index): SecretReference => ({ path: `spec.imagePullSecrets[${index}].name`, secret: name }),
    )
    return [
      ...foreign(
        secretReferencesOf(context).filter(({ kind }) => mayRead(context, kind)),
        allowedSecrets,
      ),
      ...foreign(
        secretReferencesOf(context).filter(({ kind }) => !mayRead(context, kind)),
        [],
      ).map((found) => ({ ...found, allowed: 'no Secret outside a pool (secretsFor: pools)' })),
      ...foreign(pulling, allowedSecrets),
    ]
  },
}

/** A debug container of a pool's pod is somebody else's. */
function mayRead(context: AdmissionContext, kind: SecretReference['kind']): boolean {
  return context.row?.secretsFor === 'everyone' || (isPoolPod(context) && kind !== 'ephemeral')
}

function foreign(references: readonly SecretReference[], allowedSecrets: readonly string[]) {
  const allowed = allowedSecrets.length > 0 ? allowedSecrets.join(', ') : 'no Secret'
  return references
    .filter(({ secret }) => secret === undefined || !allowedSecrets.some((name) => fitsPattern(secret, name)))
    .map(({ path, secret }) => finding(path, secret, allowed))
}
