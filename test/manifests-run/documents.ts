import type { PolicyDocument } from '../../src/admission/policy/policy-document.ts'
import { checkPolicy } from '../../src/admission/rules/check-policy.ts'
import type { Checked } from '../../src/domain/checked-document.ts'
import { configMapKey, configMapName } from '../../src/domain/names.ts'
import { checkPools, type PoolsDocument } from '../../src/domain/pool.ts'
import type { ManifestSet } from './manifest-set.ts'

/** Greenroom's two documents in a set. Undefined where it has none; throws where one has mistakes. */

export function policyOf(set: ManifestSet): PolicyDocument | undefined {
  const text = textOf(set, configMapName.policy, configMapKey.policy)
  return text === undefined ? undefined : once(policies, text, () => accepted(set, checkPolicy(text)))
}

export function poolsOf(set: ManifestSet): PoolsDocument | undefined {
  const text = textOf(set, configMapName.pools, configMapKey.pools)
  return text === undefined ? undefined : once(pools, text, () => accepted(set, checkPools(text)))
}

/** Most sets have the same documents. */
const policies = new Map<string, PolicyDocument>()
const pools = new Map<string, PoolsDocument>()

function once<T>(known: Map<string, T>, text: string, make: () => T): T {
  const value = known.get(text) ?? make()
  known.set(text, value)
  return value
}

export function textOf({ objects }: ManifestSet, name: string, key: string): string | undefined {
  return objects.find(({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === name)?.data?.[key]
}

function accepted<T>(set: ManifestSet, checked: Checked<T>): T {
  if (checked.ok) return checked.value
  throw new Error(`${set.name}: ${checked.problems.join('; ')}`)
}
