import { label } from '../../domain/names.ts'
import { shown } from '../pod/violation.ts'
import type { EffectiveRow } from '../policy/effective-row.ts'
import { fitsPattern } from '../policy/name-pattern.ts'
import type { AdmissionContext } from './admission-context.ts'
import { type Finding, type GreenroomRule, podsOfRows } from './greenroom-rule.ts'
import { isPoolPod, type SecretReference, secretFields, secretReferencesOf } from './pod-secrets.ts'

export const secretReferences: GreenroomRule = {
  rule: 'secret-references',
  title: 'Secrets',
  fields: [...secretFields, 'spec.imagePullSecrets[*].name', `metadata.labels[${label.pool}]`],
  allowed:
    "the keys in the row's `secrets`, and the whole Secrets in its `allowedSecrets`; with `secretsFor: pools` others than pods of pools may only pull images with them. " +
    'Attributes of CSI volumes that have `secret` in their name count as names of Secrets',
  appliesTo: podsOfRows,
  mode: 'always',
  mutated: 'no',
  why: "An author of pods could otherwise read every Secret of the namespace, Greenroom's signing key included.",
  fix: "Name the Secret in the row's allowedSecrets, or leave the reference out.",
  judge(context) {
    const { pod, row } = context
    const found: Finding[] = []
    for (const reference of secretReferencesOf(context)) {
      if (!mayRead(context, reference)) found.push(outsidePool(reference))
      else if (!isGiven(reference, row)) found.push(foreign(reference, row))
    }
    for (const [index, { name }] of pod.spec.imagePullSecrets?.entries() ?? []) {
      const reference = { path: `spec.imagePullSecrets[${index}].name`, secret: name }
      if (!isGiven(reference, row)) found.push(foreign(reference, row))
    }
    return found
  },
}

/** A debug container of a pool's pod is somebody else's. */
function mayRead(context: AdmissionContext, { kind }: SecretReference): boolean {
  return context.row?.secretsFor === 'everyone' || (isPoolPod(context) && kind !== 'ephemeral')
}

function outsidePool(reference: SecretReference): Finding {
  return {
    path: reference.path,
    found: shownReference(reference),
    allowed: 'no Secret outside a pool (secretsFor: pools)',
    fix: 'Leave the reference out; pods of pools alone get the Secrets of this row.',
  }
}

/** As a whole, or this key of it. */
function isGiven({ secret = '', key }: SecretReference, row: EffectiveRow | undefined): boolean {
  if (!row) return false
  if (row.allowedSecrets.some((name) => fitsPattern(secret, name))) return true
  if (key === undefined) return false
  return row.secretEnv.some(({ valueFrom }) => {
    const own = valueFrom?.secretKeyRef
    return own !== undefined && own.name === secret && own.key === key
  })
}

function foreign(reference: SecretReference, row: EffectiveRow | undefined): Finding {
  const keys = (row?.secretEnv ?? []).flatMap(({ valueFrom }) => valueFrom?.secretKeyRef ?? [])
  const allowed = [...(row?.allowedSecrets ?? []), ...keys.map((own) => `key ${own.key} of ${own.name}`)]
  return {
    path: reference.path,
    found: shownReference(reference),
    allowed: [...new Set(allowed)].join(', ') || 'no Secret',
  }
}

function shownReference({ secret, key, isAttribute }: SecretReference): string {
  if (isAttribute) return 'a value that is not shown'
  return key === undefined ? shown(secret) : `key ${shown(key)} of ${shown(secret)}`
}
