import { parseQuantity } from '../domain/quantity.ts'
import type { Quota } from '../domain/quota.ts'

/** Whether a change of a ResourceQuota may let a create pass that it refused before. */
export function hasMoreRoom(before: Quota | undefined, after: Quota | undefined): boolean {
  // One that is new can only refuse.
  if (!before) return false
  if (!after) return true
  return Object.keys(before.enforced?.hard ?? {}).some((resource) => {
    const [had, has] = [roomOf(before, resource), roomOf(after, resource)]
    return has === undefined || (had !== undefined && has > had)
  })
}

/** In nano-units; undefined if the quota does not bound it. */
function roomOf({ enforced: { hard = {}, used = {} } = {} }: Quota, resource: string): bigint | undefined {
  const most = parseQuantity(hard[resource] ?? '')
  return most === undefined ? undefined : most - (parseQuantity(used[resource] ?? '0') ?? 0n)
}
