import { label } from '../../domain/names.ts'
import { fitsPattern } from '../policy/name-pattern.ts'
import type { AdmissionContext } from './admission-context.ts'
import { type Finding, finding, type GreenroomRule, podsOfRows } from './greenroom-rule.ts'
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
    const { pod, row } = context
    const allowed = row?.allowedSecrets ?? []
    const pulling = (pod.spec.imagePullSecrets ?? []).map(
      ({ name }, index): SecretReference => ({ path: `spec.imagePullSecrets[${index}].name`, secret: name }),
    )
    return [
      ...secretReferencesOf(context).flatMap((reference) =>
        mayRead(context, reference) ? foreign(reference, allowed) : [outsidePool(reference)],
      ),
      ...pulling.flatMap((reference) => foreign(reference, allowed)),
    ]
  },
}

/** A debug container of a pool's pod is somebody else's. */
function mayRead(context: AdmissionContext, { kind }: SecretReference): boolean {
  return context.row?.secretsFor === 'everyone' || (isPoolPod(context) && kind !== 'ephemeral')
}

function outsidePool({ path, secret }: SecretReference): Finding {
  return {
    ...finding(path, secret, 'no Secret outside a pool (secretsFor: pools)'),
    fix: 'Leave the reference out; pods of pools alone get the Secrets of this row.',
  }
}

function foreign({ path, secret }: SecretReference, allowed: readonly string[]): Finding[] {
  if (secret !== undefined && allowed.some((name) => fitsPattern(secret, name))) return []
  return [finding(path, secret, allowed.length > 0 ? allowed.join(', ') : 'no Secret')]
}
