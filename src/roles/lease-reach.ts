import type { PoolsDocument } from '../domain/pool.ts'

/**
 * Agent types whose agents alone hold the lease but get no address at which to renew it: their sessions would end with
 * their first lease.
 */
export function leasesOutOfReach({ pools }: PoolsDocument, apiUrl: string | undefined): readonly string[] {
  if (apiUrl !== undefined) return []
  return Object.keys(pools).filter((agentType) => pools[agentType]?.lease.heldBy === 'agent')
}
