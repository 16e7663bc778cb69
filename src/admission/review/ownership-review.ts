import { configMapKey, configMapName, ownedPrefix } from '../../domain/names.ts'
import { sameValue } from '../pod/same-value.ts'
import { shown, type Violation } from '../pod/violation.ts'
import { isOwner, type Owners, ownersInWords } from '../policy/owners.ts'
import type { PolicyInForce } from '../policy/policy-in-force.ts'
import { checkPolicy } from '../rules/check-policy.ts'
import type { AdmissionRequest, Answer } from './admission-review.ts'
import { configMapNameOf, decodeConfigMap, isOfConfigMap, textOf } from './config-map.ts'
import type { Configuration } from './config-review.ts'
import { isOldKeyRemoval } from './old-key-removal.ts'

const allowed: Answer = { kind: 'allowed' }

/** Kubernetes' own: deletes what is in a namespace that is deleted. */
const namespaceController = 'system:serviceaccount:kube-system:namespace-controller'

/**
 * POST /validate-owner. `agent-policy` decides what runs under Greenroom's accounts, and the assign keys decide who gives
 * work to agents. Only the owners of the policy write these two, and only the role that keeps it an accepted document; the
 * controller may take old keys away. Before any policy was accepted nobody owns it, so the first one is free. Labels and
 * annotations of others are not guarded.
 */
export function ownershipReview(
  request: AdmissionRequest,
  { policy }: PolicyInForce,
  { namespace, webhookUser, isUnowned }: Configuration,
): Answer {
  const { operation, userInfo } = request
  if (!isOfConfigMap(request, namespace)) return allowed
  if (operation !== 'CREATE' && operation !== 'UPDATE' && operation !== 'DELETE') return allowed
  if (operation === 'DELETE' && userInfo.username === namespaceController) return allowed
  const owners = policy.policyOwners
  const name = configMapNameOf(request) ?? ''
  switch (name) {
    case configMapName.policy:
      if (!isGuarded(request)) return allowed
      if (!isUnowned && !isOwner(userInfo, owners)) return denied(foreign(request, name, policy))
      return ownExclusion(request, isUnowned)
    case configMapName.assignKeys:
      return assignKeysReview(request, policy, isUnowned)
    case configMapName.policyAccepted:
      return keptReview(request, { keepers: [webhookUser], owners })
    case configMapName.poolsAccepted:
      return keptReview(request, { keepers: policy.greenroomServiceAccounts, owners })
    default:
      return allowed
  }
}

/** The controller has a right to these keys in RBAC, so it is bound also while nobody owns the policy. */
function assignKeysReview(
  request: AdmissionRequest,
  policy: PolicyInForce['policy'],
  isUnowned: boolean,
): Answer {
  const { userInfo } = request
  if (!isGuarded(request) || isOwner(userInfo, policy.policyOwners)) return allowed
  if (policy.greenroomServiceAccounts.includes(userInfo.username ?? ''))
    return removesOldKeysOnly(request) ? allowed : denied(notARemoval(request))
  return isUnowned ? allowed : denied(foreign(request, configMapName.assignKeys, policy))
}

/** A deletion, or a change of what counts: labels and annotations of others do not. */
function isGuarded({ operation, object, oldObject }: AdmissionRequest): boolean {
  return operation === 'DELETE' || !sameValue(guardedPart(object), guardedPart(oldObject))
}

/** An immutable document could not be corrected any more. Of an object that cannot be read everything counts. */
function guardedPart(object: unknown): object {
  const configMap = decodeConfigMap(object)
  if (!configMap) return { unread: object }
  const { metadata, data, binaryData, immutable } = configMap
  const annotations = Object.entries(metadata?.annotations ?? {}).filter(([key]) =>
    key.startsWith(ownedPrefix),
  )
  return {
    data: data ?? {},
    binaryData: binaryData ?? {},
    immutable: immutable ?? false,
    annotations: Object.fromEntries(annotations),
  }
}

/** What the controller may do to the public keys (ADR 32). */
function removesOldKeysOnly({ operation, object, oldObject }: AdmissionRequest): boolean {
  if (operation !== 'UPDATE') return false
  const key = configMapKey.assignKeys
  if (!isOldKeyRemoval(textOf(oldObject, key), textOf(object, key))) return false
  return sameValue(withoutText(object, key), withoutText(oldObject, key))
}

function withoutText(object: unknown, key: string): object {
  const { [key]: _text, ...data } = decodeConfigMap(object)?.data ?? {}
  return { ...guardedPart(object), data }
}

function notARemoval({ operation }: AdmissionRequest): Violation {
  return {
    ...ownership,
    path: `ConfigMap ${configMapName.assignKeys}`,
    found: `${verbs[operation]} by Greenroom's own ServiceAccount`,
    allowed: 'the same set without some of its old keys',
    fix: 'Only policyOwners add, change or order keys: greenroom assign-key --rotate.',
  }
}

/** A policy whose author could not change it again is more often a slip than a wish. */
function ownExclusion({ operation, object, userInfo }: AdmissionRequest, isUnowned: boolean): Answer {
  const text = operation === 'DELETE' ? undefined : textOf(object, configMapKey.policy)
  const checked = text === undefined ? undefined : checkPolicy(text)
  // A document that is not valid comes into force nowhere; /validate-config says what is wrong with it.
  if (!checked?.ok || isOwner(userInfo, checked.value.policyOwners)) return allowed
  const { policyOwners } = checked.value
  const who = `user ${shown(userInfo.username)}`
  if (isUnowned) {
    return {
      kind: 'allowed',
      warnings: [
        `/policyOwners: does not name you (${who}); once this is in force, only ${ownersInWords(policyOwners)} can change it`,
      ],
    }
  }
  return denied({
    ...ownership,
    path: `data[${configMapKey.policy}]/policyOwners`,
    found: `without you (${who})`,
    allowed: 'a policy that its author can change again',
    fix: 'Name yourself in policyOwners. The next owner can take you out.',
  })
}

interface Keeping {
  readonly keepers: readonly string[]
  readonly owners: Owners
}

/** The kept text, and the note of the version it came from, are written by their keeper. Owners may delete them. */
function keptReview(request: AdmissionRequest, { keepers, owners }: Keeping): Answer {
  const { operation, userInfo } = request
  if (keepers.includes(userInfo.username ?? '') || !isGuarded(request)) return allowed
  if (operation === 'DELETE' && isOwner(userInfo, owners)) {
    return {
      kind: 'allowed',
      warnings: ['Greenroom keeps its last accepted document here and writes it again'],
    }
  }
  return denied({
    ...ownership,
    path: 'data',
    found: `${verbs[operation]} by somebody else`,
    allowed: "Greenroom's own ServiceAccounts only",
    fix: 'Edit agent-pools or agent-policy; Greenroom keeps the accepted document here itself.',
  })
}

const verbs = { CREATE: 'written', UPDATE: 'written', DELETE: 'deleted', CONNECT: 'opened' } as const
const ownership = { rule: 'document-ownership', code: 'GRN_DOCUMENT_OWNERSHIP' } as const

function foreign(
  { operation, userInfo }: AdmissionRequest,
  name: string,
  { policyOwners, version }: PolicyInForce['policy'],
): Violation {
  return {
    ...ownership,
    path: `ConfigMap ${name}`,
    found: `${verbs[operation]} by user ${shown(userInfo.username)}`,
    allowed: `writes by ${ownersInWords(policyOwners)} (policy version ${version})`,
    fix: 'Ask one of them, or let one name you in policyOwners of policy.yaml; docs/break-glass.md has the way out.',
  }
}

function denied(violation: Violation): Answer {
  return { kind: 'denied', violations: [violation] }
}
