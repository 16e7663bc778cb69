import type { DocumentView, PodView } from '../domain/cluster-ports.ts'
import type { PoolsDocument } from '../domain/pool.ts'
import type { PoolHistory, PoolHistoryLedger } from '../domain/pool-history.ts'
import { GreenroomError } from '../errors.ts'

interface ReadPoolHistoryDeps {
  readonly history: Pick<PoolHistoryLedger, 'read'>
  readonly pools: Pick<DocumentView<PoolsDocument>, 'current'>
  readonly pods: Pick<PodView, 'byPool'>
}

/** The last hour of a pool, or so; of one that was removed too, as long as it has pods. */
export function createReadPoolHistory({ history, pools, pods }: ReadPoolHistoryDeps) {
  return async function readPoolHistory(agentType: string, minutes: number): Promise<PoolHistory> {
    const isPool = Object.hasOwn(pools.current()?.pools ?? {}, agentType)
    if (!isPool && pods.byPool(agentType).length === 0)
      throw new GreenroomError('GRN_UNKNOWN_AGENT_TYPE', `There is no pool of "${agentType.slice(0, 64)}".`)
    return { agentType, points: [...(await history.read(agentType, minutes))] }
  }
}

export type ReadPoolHistory = ReturnType<typeof createReadPoolHistory>
