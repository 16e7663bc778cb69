import { type Static, Type } from 'typebox'
import { Compile } from 'typebox/compile'
import type { Checked } from '../../domain/checked-document.ts'
import type { LimitRange } from '../../domain/limit-range.ts'
import { configMapKey, configMapName, ownedPrefix, webhookUsername } from '../../domain/names.ts'
import { checkPools, type PoolsDocument } from '../../domain/pool.ts'
import type { Quota } from '../../domain/quota.ts'
import type { ErrorCode } from '../../errors.ts'
import { Metadata } from '../pod/pod.ts'
import { sameValue } from '../pod/same-value.ts'
import { shown, type Violation } from '../pod/violation.ts'
import type { PolicyInForce } from '../policy/policy-in-force.ts'
import { checkPolicy } from '../rules/check-policy.ts'
import type { AdmissionRequest, Answer } from './admission-review.ts'
import { policyWarnings, poolsWarnings, type Surroundings } from './document-warnings.ts'

/** Where the documents live, and what the webhook holds in memory besides the policy. */
export interface Configuration {
  readonly namespace: string
  /** User name under which the webhook itself keeps the accepted policy. */
  readonly webhookUser: string
  /** In force; undefined if never seen. */
  readonly pools: PoolsDocument | undefined
  /** Of the namespace; undefined if never seen. */
  readonly quotas: readonly Quota[] | undefined
  /** Of the namespace; undefined if never seen. */
  readonly limitRanges: readonly LimitRange[] | undefined
}

/** Documents are judged even where nothing else is known. */
export const bareConfiguration: Configuration = {
  namespace: 'ai-agents',
  webhookUser: webhookUsername,
  pools: undefined,
  quotas: undefined,
  limitRanges: undefined,
}

const ConfigMap = Type.Object({
  metadata: Type.Optional(Metadata),
  data: Type.Optional(Type.Union([Type.Null(), Type.Record(Type.String(), Type.String())])),
  binaryData: Type.Optional(Type.Union([Type.Null(), Type.Record(Type.String(), Type.String())])),
})
type ConfigMap = Static<typeof ConfigMap>
const validator = Compile(ConfigMap)

const allowed: Answer = { kind: 'allowed' }

/**
 * POST /validate-config. Refuses documents that no reader would accept, and changes of the accepted ones by others than
 * Greenroom. Every other ConfigMap passes, whatever the webhook configuration sends.
 */
export function configReview(
  request: AdmissionRequest,
  { policy }: PolicyInForce,
  configuration: Configuration,
): Answer {
  const { resource, namespace, subResource = '' } = request
  if (resource.group !== '' || resource.resource !== 'configmaps' || subResource !== '') return allowed
  if (namespace !== configuration.namespace) return allowed
  const { pools, quotas, limitRanges } = configuration
  const surroundings = { policy, pools, quotas, limitRanges }
  switch (nameOf(request) ?? '') {
    case configMapName.pools:
      return documentReview(request, surroundings, {
        name: configMapName.pools,
        key: configMapKey.pools,
        code: 'GRN_INVALID_POOLS',
        check: checkPools,
        inForce: pools,
        warnings: poolsWarnings,
      })
    case configMapName.policy:
      return documentReview(request, surroundings, {
        name: configMapName.policy,
        key: configMapKey.policy,
        code: 'GRN_INVALID_POLICY',
        check: checkPolicy,
        inForce: policy,
        warnings: policyWarnings,
      })
    case configMapName.poolsAccepted:
    case configMapName.policyAccepted:
      return acceptedReview(request, [...policy.greenroomServiceAccounts, configuration.webhookUser])
    default:
      return allowed
  }
}

/** `request.name` is empty for a generated name and while a collection is deleted. */
function nameOf({ name, object, oldObject }: AdmissionRequest): string | undefined {
  return decode(object)?.metadata?.name ?? decode(oldObject)?.metadata?.name ?? name
}

function decode(object: unknown): ConfigMap | undefined {
  return validator.Check(object) ? object : undefined
}

interface DocumentRules<T> {
  readonly name: string
  readonly key: string
  readonly code: ErrorCode
  readonly check: (text: string) => Checked<T>
  readonly inForce: T | undefined
  readonly warnings: (after: T, before: T | undefined, surroundings: Surroundings) => string[]
}

function documentReview<T>(request: AdmissionRequest, around: Surroundings, rules: DocumentRules<T>): Answer {
  const { name, key, code } = rules
  if (request.operation === 'DELETE') {
    return withWarnings([
      `ConfigMap ${name} is deleted, but the document that was last accepted stays in force, after restarts too`,
    ])
  }
  if (request.operation !== 'CREATE' && request.operation !== 'UPDATE') return allowed
  const text = textOf(request.object, key)
  const oldText = request.operation === 'UPDATE' ? textOf(request.oldObject, key) : undefined
  // The text did not change: a document that got in unjudged must not block a change of its labels.
  if (request.operation === 'UPDATE' && text === oldText) return allowed
  if (text === undefined) return denied([missingKey(request.object, rules)])
  const checked = rules.check(text)
  if (!checked.ok) return denied(checked.problems.map((problem) => invalid(problem, key, code)))
  const before = oldText === undefined ? undefined : rules.check(oldText)
  return withWarnings([
    ...rules.warnings(checked.value, before?.ok ? before.value : rules.inForce, around),
    ...otherKeys(request.object, key).map(
      (other) => `data[${other}] is not read; the document is data[${key}]`,
    ),
  ])
}

function textOf(object: unknown, key: string): string | undefined {
  const data = decode(object)?.data ?? {}
  return Object.hasOwn(data, key) ? data[key] : undefined
}

function otherKeys(object: unknown, key: string): string[] {
  const { data, binaryData } = decode(object) ?? {}
  return [...Object.keys(data ?? {}), ...Object.keys(binaryData ?? {})].filter((other) => other !== key)
}

function missingKey(
  object: unknown,
  { name, key, code }: Pick<DocumentRules<never>, 'name' | 'key' | 'code'>,
): Violation {
  const inBinary = Object.hasOwn(decode(object)?.binaryData ?? {}, key)
  const others = otherKeys(object, key)
  const found = inBinary
    ? `it stands in binaryData`
    : others.length > 0
      ? `it has ${others.slice(0, 3).map(shown).join(', ')}`
      : 'it has no data'
  const sentence = `ConfigMap ${name} needs its document under data[${key}], as text; ${found}`
  return { ...violationOfDocument(code), path: `data[${key}]`, sentence }
}

function invalid(problem: string, key: string, code: ErrorCode): Violation {
  const [place = ''] = /^\/[^: ]*/.exec(problem) ?? []
  return {
    ...violationOfDocument(code),
    path: `data[${key}]${place}`,
    sentence: `${key} ${problem}`,
  }
}

function violationOfDocument(code: ErrorCode) {
  return {
    rule: 'document',
    code,
    found: 'not valid',
    allowed: 'a document that can be in force',
    fix: 'Correct the named path; what was in force stays.',
  }
}

/** The kept text, and the note of the version it came from, may not change; other metadata may. */
function acceptedReview(request: AdmissionRequest, keepers: readonly string[]): Answer {
  if (request.operation === 'DELETE') {
    return withWarnings(['Greenroom keeps its last accepted document here and writes it again'])
  }
  if (request.operation !== 'CREATE' && request.operation !== 'UPDATE') return allowed
  const { username = '' } = request.userInfo
  if (keepers.includes(username) || sameValue(keptBy(request.object), keptBy(request.oldObject)))
    return allowed
  return denied([
    {
      rule: 'document-ownership',
      code: 'GRN_DOCUMENT_OWNERSHIP',
      path: 'data',
      found: 'written by somebody else',
      allowed: "Greenroom's own ServiceAccounts only",
      fix: 'Edit agent-pools or agent-policy; Greenroom keeps the accepted document here itself.',
    },
  ])
}

function keptBy(object: unknown) {
  const { metadata, data, binaryData } = decode(object) ?? {}
  const annotations = Object.entries(metadata?.annotations ?? {}).filter(([key]) =>
    key.startsWith(ownedPrefix),
  )
  return { data: data ?? {}, binaryData: binaryData ?? {}, annotations: Object.fromEntries(annotations) }
}

function withWarnings(warnings: readonly string[]): Answer {
  return warnings.length > 0 ? { kind: 'allowed', warnings } : allowed
}

function denied(violations: readonly Violation[]): Answer {
  return { kind: 'denied', violations }
}
