import type { Checked } from '../../domain/checked-document.ts'
import type { LimitRange } from '../../domain/limit-range.ts'
import { configMapKey, configMapName, webhookUsername } from '../../domain/names.ts'
import { checkPools, type PoolsDocument } from '../../domain/pool.ts'
import type { Quota } from '../../domain/quota.ts'
import type { ErrorCode } from '../../errors.ts'
import { shown, type Violation } from '../pod/violation.ts'
import type { PolicyInForce } from '../policy/policy-in-force.ts'
import { checkPolicy } from '../rules/check-policy.ts'
import type { AdmissionRequest, Answer } from './admission-review.ts'
import { configMapNameOf, decodeConfigMap, isOfConfigMap, textOf } from './config-map.ts'
import { policyWarnings, poolsWarnings, type Surroundings } from './document-warnings.ts'

/** Where the documents live, and what the webhook holds in memory besides the policy. */
export interface Configuration {
  readonly namespace: string
  /** User name under which the webhook itself keeps the accepted policy. */
  readonly webhookUser: string
  /** No policy was ever accepted, which is certain: nobody owns it yet. */
  readonly isUnowned: boolean
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
  isUnowned: false,
  pools: undefined,
  quotas: undefined,
  limitRanges: undefined,
}

const allowed: Answer = { kind: 'allowed' }

/**
 * POST /validate-config. Refuses documents that no reader would accept. Every other ConfigMap passes, whatever the webhook
 * configuration sends. Who may write them is /validate-owner's question.
 */
export function configReview(
  request: AdmissionRequest,
  { policy }: PolicyInForce,
  configuration: Configuration,
): Answer {
  const { namespace, pools, quotas, limitRanges } = configuration
  if (!isOfConfigMap(request, namespace)) return allowed
  const surroundings = { policy, pools, quotas, limitRanges }
  switch (configMapNameOf(request) ?? '') {
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
    default:
      return allowed
  }
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

function otherKeys(object: unknown, key: string): string[] {
  const { data, binaryData } = decodeConfigMap(object) ?? {}
  return [...Object.keys(data ?? {}), ...Object.keys(binaryData ?? {})].filter((other) => other !== key)
}

function missingKey(
  object: unknown,
  { name, key, code }: Pick<DocumentRules<never>, 'name' | 'key' | 'code'>,
): Violation {
  const inBinary = Object.hasOwn(decodeConfigMap(object)?.binaryData ?? {}, key)
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

function withWarnings(warnings: readonly string[]): Answer {
  return warnings.length > 0 ? { kind: 'allowed', warnings } : allowed
}

function denied(violations: readonly Violation[]): Answer {
  return { kind: 'denied', violations }
}
