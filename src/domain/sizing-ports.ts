import type { PoolDecision } from './pool-decision.ts'

/** What the sizing of pools needs of the world. Adapters implement these ports. */

/** Sessions that asked a pool for a pod, each once, refused and waiting ones too. Counted since `since`, never lower. */
export interface DemandCounts {
  /** Epoch ms. Another one: Redis lost its counts and began anew. 0: nothing was counted yet. */
  readonly since: number
  readonly arrivals: number
  /** Those of them that found no free pod. */
  readonly misses: number
}
export interface DemandFeed {
  /** undefined without Redis. */
  read(agentType: string): Promise<DemandCounts | undefined>
}

/** What a pool remembers of its sizing, as it is kept. `kept` is whatever an earlier version wrote. */
export interface KeptSizing {
  readonly agentType: string
  /** Epoch ms of the last decision. An older leader never overwrites what a newer one kept. */
  readonly decidedAt: number
  readonly kept: unknown
}

/** PostgreSQL for the sizing of pools. */
export interface SizingLedger {
  read(agentType: string): Promise<unknown>
  keep(sizings: readonly KeptSizing[]): Promise<void>
  noteDecisions(decisions: readonly PoolDecision[]): Promise<void>
  /** The newest decisions of a pool, oldest first. */
  decisions(agentType: string, limit: number): Promise<readonly PoolDecision[]>
  /** Pools of which something is kept. */
  pools(): Promise<readonly string[]>
  /** Sessions opened after a time, for when Redis counts nothing. Those that were refused left no row. */
  openedSince(
    agentType: string,
    afterMs: number,
  ): Promise<{ readonly arrivals: number; readonly misses: number }>
  /** Deletes decisions beyond the newest of each pool, and what is kept of pools that are gone for a day. */
  purge(poolsInForce: readonly string[]): Promise<void>
}
