import { type PodResources, takenOf } from '../../domain/pod-resources.ts'
import type { PoolsDocument } from '../../domain/pool.ts'
import { parseQuantity } from '../../domain/quantity.ts'
import { countsAgents, type Quota } from '../../domain/quota.ts'
import { amountsOfRow, effectiveRow } from '../policy/effective-row.ts'
import type { PolicyDocument } from '../policy/policy-document.ts'

/**
 * Warnings for pools that the quotas can never hold: each pool's `max` by itself, and the `min` of all together. Only
 * the agent container is counted, so what fits here may still be too much. The controller counts whole pods, and those of
 * others (domain/quota-share.ts).
 */
export function quotaWarnings(
  { pools }: PoolsDocument,
  policy: PolicyDocument,
  quotas: readonly Quota[],
): string[] {
  const sized = Object.entries(pools).flatMap(([name, { min, max }]) => {
    const row = effectiveRow(name, policy)
    return row
      ? [{ name, min, max, size: amountsOfRow(row.resources), priorityClass: row.priorityClassName }]
      : []
  })
  const bounds = quotas.flatMap(boundsOf)
  const needOf = ({ quota, resource }: Bound, { size, priorityClass }: SizedPool): bigint =>
    countsAgents(quota, priorityClass) ? takenOf(resource, size) : 0n
  const warnings = sized.flatMap((pool) => {
    const tooSmall = bounds.flatMap((bound) => {
      const need = needOf(bound, pool)
      const fitting = need > 0n ? bound.hard / need : undefined
      return fitting !== undefined && fitting < pool.max ? [{ bound, fitting }] : []
    })
    const [tightest] = tooSmall.sort((a, b) => Number(a.fitting - b.fitting))
    return tightest
      ? [
          `/pools/${pool.name}/max: is ${pool.max}, but ${shownBound(tightest.bound)}: at most ${tightest.fitting} fit`,
        ]
      : []
  })
  const overfull = bounds.find(
    (bound) => sized.reduce((sum, pool) => sum + BigInt(pool.min) * needOf(bound, pool), 0n) > bound.hard,
  )
  return overfull
    ? [
        ...warnings,
        `/pools: the idle pods (min) of all pools together need more than ${shownBound(overfull)}`,
      ]
    : warnings
}

interface SizedPool {
  readonly size: PodResources
  readonly priorityClass: string | undefined
}

interface Bound {
  readonly quota: Quota
  readonly resource: string
  readonly text: string
  /** In nano-units. */
  readonly hard: bigint
}

function boundsOf(quota: Quota): Bound[] {
  return Object.entries(quota.hard).flatMap(([resource, text]) => {
    const value = parseQuantity(text)
    return value === undefined ? [] : [{ quota, resource, text, hard: value }]
  })
}

function shownBound({ quota, resource, text }: Bound): string {
  return `ResourceQuota ${quota.name} allows ${resource} ${text}`
}
