import type { PoolsDocument } from '../domain/pool.ts'

/**
 * Agent types whose agents alone hold the lease although they are told no address to renew at: their sessions would
 * end with their first lease.
 */
export function leasesOutOfReach({ pools }: PoolsDocument, apiUrl: string | undefined): readonly string[] {
  if (apiUrl !== undefined) return []
  return Object.keys(pools).filter((agentType) => pools[agentType]?.lease.heldBy === 'agent')
}
