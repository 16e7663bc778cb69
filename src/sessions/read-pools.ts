import type { DocumentView, PodView } from '../domain/cluster-ports.ts'
import type { PoolNotices, SlotIndex } from '../domain/index-ports.ts'
import type { PoolSpec, PoolsDocument } from '../domain/pool.ts'
import { observePool } from '../domain/pool-observation.ts'
import type { PoolReport } from '../domain/pool-report.ts'
import type { ClaimLedger, SessionStore } from '../domain/session-ports.ts'
import { templateHash } from '../domain/slot-pod.ts'
import type { PoolWaiters } from './pool-waiters.ts'

interface ReadPoolsDeps {
  readonly pools: DocumentView<PoolsDocument>
  readonly pods: PodView
  readonly ledger: Pick<ClaimLedger, 'claimsOf'>
  readonly sessions: Pick<SessionStore, 'poolHistory'>
  readonly notices: PoolNotices
  readonly waiters: PoolWaiters
  readonly index: Pick<SlotIndex, 'waiting'>
}

/** The pools in force, and pools that were removed and still have pods. */
export function createReadPools(deps: ReadPoolsDeps) {
  const { pools, pods, ledger, sessions, notices, waiters, index } = deps

  async function report(agentType: string, spec: PoolSpec | undefined): Promise<PoolReport> {
    const seen = pods.byPool(agentType)
    const [claims, history, notice, waiting] = await Promise.all([
      ledger.claimsOf(seen.map((pod) => pod.uid)),
      sessions.poolHistory(agentType),
      notices.read(agentType),
      index.waiting(agentType),
    ])
    const { counts } = observePool({
      agentType,
      pods: seen,
      claims,
      templateHash: spec && templateHash(agentType, spec),
    })
    return {
      agentType,
      desired: { min: spec?.min ?? 0, max: spec?.max ?? 0 },
      ...counts,
      waiting: waiting ?? waiters.waiting(agentType),
      hitRate: history.opened === 0 ? undefined : history.warm / history.opened,
      boundBy: notice?.boundBy,
      message: notice?.message,
      problem: notice?.problem,
      sizing: notice?.sizing,
      quotaPods: notice?.quotaPods,
      yielded: notice?.yielded,
      thin: notice?.thin,
      configuration: pools.status(),
    }
  }

  function known(): Map<string, PoolSpec | undefined> {
    const present = new Map<string, PoolSpec | undefined>(pods.all().map((pod) => [pod.agentType, undefined]))
    for (const [agentType, spec] of Object.entries(pools.current()?.pools ?? {})) present.set(agentType, spec)
    return present
  }

  return {
    async all(): Promise<PoolReport[]> {
      return Promise.all(
        [...known()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([type, spec]) => report(type, spec)),
      )
    },
    async one(agentType: string): Promise<PoolReport | undefined> {
      const types = known()
      return types.has(agentType) ? report(agentType, types.get(agentType)) : undefined
    },
  }
}

export type ReadPools = ReturnType<typeof createReadPools>
