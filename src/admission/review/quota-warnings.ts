import type { PoolsDocument } from '../../domain/pool.ts'
import type { Quota } from '../../domain/quota.ts'
import { parseQuantity } from '../pod/quantity.ts'
import { effectiveRow, type WantedResources } from '../policy/effective-row.ts'
import type { PolicyDocument } from '../policy/policy-document.ts'

/** Pods of a pool have no deadline and have resources. Quotas with other scopes do not bind them. */
const scopesOfAgents: ReadonlySet<string> = new Set(['NotTerminating', 'NotBestEffort'])

/**
 * Warnings for pools that the quotas can never hold: each pool's `max` by itself, and the `min` of all together. Only
 * the agent container is counted, so what fits here may still be too much.
 */
export function quotaWarnings(
  { pools }: PoolsDocument,
  policy: PolicyDocument,
  quotas: readonly Quota[],
): string[] {
  const sized = Object.entries(pools).flatMap(([name, { min, max }]) => {
    const resources = effectiveRow(name, policy)?.resources
    return resources ? [{ name, min, max, resources }] : []
  })
  const bounds = quotas.filter(bindsAgents).flatMap(boundsOf)
  const warnings = sized.flatMap(({ name, max, resources }) => {
    const tooSmall = bounds.flatMap((bound) => {
      const fitting = fittingPods(bound, resources)
      return fitting !== undefined && fitting < max ? [{ bound, fitting }] : []
    })
    const [tightest] = tooSmall.sort((a, b) => Number(a.fitting - b.fitting))
    return tightest
      ? [`/pools/${name}/max: is ${max}, but ${shownBound(tightest.bound)}: at most ${tightest.fitting} fit`]
      : []
  })
  const overfull = bounds.find(
    (bound) =>
      sized.reduce((sum, { min, resources }) => sum + BigInt(min) * needOf(bound, resources), 0n) >
      bound.hard,
  )
  return overfull
    ? [
        ...warnings,
        `/pools: the idle pods (min) of all pools together need more than ${shownBound(overfull)}`,
      ]
    : warnings
}

interface Bound {
  readonly quota: string
  readonly resource: string
  readonly text: string
  /** In nano-units. */
  readonly hard: bigint
}

function bindsAgents({ scopes, isSelective }: Quota): boolean {
  return !isSelective && scopes.every((scope) => scopesOfAgents.has(scope))
}

function boundsOf({ name, hard }: Quota): Bound[] {
  return Object.entries(hard).flatMap(([resource, text]) => {
    const value = parseQuantity(text)
    return value === undefined ? [] : [{ quota: name, resource, text, hard: value }]
  })
}

function shownBound({ quota, resource, text }: Bound): string {
  return `ResourceQuota ${quota} allows ${resource} ${text}`
}

function fittingPods(bound: Bound, resources: WantedResources): bigint | undefined {
  const need = needOf(bound, resources)
  return need > 0n ? bound.hard / need : undefined
}

/** What one pod takes of this bound, in nano-units; 0 if it does not count there. */
function needOf({ resource }: Bound, resources: WantedResources): bigint {
  if (resource === 'pods' || resource === 'count/pods') return parseQuantity(1) ?? 0n
  const isLimit = resource.startsWith('limits.')
  // `cpu` is what `requests.cpu` is.
  const name = resource.replace(/^(requests|limits)\./, '')
  const wanted = resources.find((candidate) => candidate.name === name)
  return wanted ? (parseQuantity(isLimit ? wanted.limit : wanted.request) ?? 0n) : 0n
}
