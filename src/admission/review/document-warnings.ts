import type { LimitRange } from '../../domain/limit-range.ts'
import type { PoolsDocument } from '../../domain/pool.ts'
import type { Quota } from '../../domain/quota.ts'
import { sameValue } from '../pod/same-value.ts'
import { ownersCount } from '../policy/owners.ts'
import type { PolicyDocument } from '../policy/policy-document.ts'
import { imageWarnings } from './image-warnings.ts'
import { limitRangeWarnings } from './limit-range-warnings.ts'
import { quotaWarnings } from './quota-warnings.ts'

/**
 * Warnings to the person who edits `agent-pools` or `agent-policy`: the document is valid, but may not be what was meant.
 * The two documents may come in any order, so what one lacks for the other is only a warning.
 */

/** What the webhook knows of the rest of the cluster while it judges one document; undefined: never seen. */
export interface Surroundings {
  readonly policy: PolicyDocument
  readonly pools: PoolsDocument | undefined
  readonly quotas: readonly Quota[] | undefined
  readonly limitRanges: readonly LimitRange[] | undefined
}

/** A change of size by more than this factor is more often a typing mistake than a wish. */
const largestJump = 5

export function poolsWarnings(
  after: PoolsDocument,
  before: PoolsDocument | undefined,
  { policy, quotas, limitRanges }: Surroundings,
): string[] {
  return [
    ...jumps(after, before),
    ...Object.keys(before?.pools ?? {})
      .filter((name) => !Object.hasOwn(after.pools, name))
      .map(
        (name) => `/pools/${name}: is removed; its idle pods go, claimed ones stay until their session ends`,
      ),
    ...Object.keys(after.pools)
      .filter((name) => !Object.hasOwn(policy.agentTypes, name))
      .map(
        (name) =>
          `/pools/${name}: agent-policy in force (version ${policy.version}) has no row ${name}; its pods are denied until it has one`,
      ),
    ...imageWarnings(after, policy),
    ...quotaWarnings(after, policy, quotas ?? []),
    ...limitRangeWarnings(Object.keys(after.pools), policy, limitRanges ?? []),
  ]
}

export function policyWarnings(
  after: PolicyDocument,
  before: PolicyDocument | undefined,
  { pools, quotas, limitRanges }: Surroundings,
): string[] {
  return [
    ...Object.keys(pools?.pools ?? {})
      .filter((name) => !Object.hasOwn(after.agentTypes, name))
      .map((name) => `/agentTypes: there is no row ${name}, but a pool ${name}; its new pods will be denied`),
    ...(before && before.version === after.version && !sameValue(before, after)
      ? [
          `/version: is still ${after.version} though the policy changes; pods of before and after look the same`,
        ]
      : []),
    ...(ownersCount(after.namespaceOwners) === 0
      ? ['/namespaceOwners: names nobody; a namespace leaves the policy by docs/break-glass.md only']
      : []),
    ...(ownersCount(after.policyOwners) === 0
      ? ['/policyOwners: names nobody; the policy changes by docs/break-glass.md only']
      : []),
    ...(pools ? [...imageWarnings(pools, after), ...quotaWarnings(pools, after, quotas ?? [])] : []),
    ...limitRangeWarnings(Object.keys(after.agentTypes), after, limitRanges ?? []),
  ]
}

function jumps(after: PoolsDocument, before: PoolsDocument | undefined): string[] {
  return Object.entries(after.pools).flatMap(([name, spec]) => {
    const old = before && Object.hasOwn(before.pools, name) ? before.pools[name] : undefined
    if (!old) return []
    return (['min', 'max'] as const)
      .filter((field) => isJump(old[field], spec[field]))
      .map(
        (field) =>
          `/pools/${name}/${field}: ${old[field]} → ${spec[field]} is a jump of more than ${largestJump}x`,
      )
  })
}

/** A size of 0 counts as 1. */
function isJump(from: number, to: number): boolean {
  const [small, large] = from < to ? [from, to] : [to, from]
  return large > largestJump * Math.max(small, 1)
}
