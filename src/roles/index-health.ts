import type { Metrics } from '../metrics.ts'
import type { Stores } from './stores.ts'

/**
 * Whether Redis can be written and has the index of every pool. Without it claims go on from the informer, so the replica
 * is degraded and never unready.
 */
export function createIndexHealth(
  { index, probeRedis }: Pick<Stores, 'index' | 'probeRedis'>,
  agentTypes: () => readonly string[],
  metrics: Pick<Metrics, 'indexUnknown'>,
) {
  let well = false
  return {
    isWell: () => well,
    async look(): Promise<void> {
      const areBuilt = await index.areBuilt(agentTypes())
      well = (await probeRedis()) && areBuilt === true
      metrics.indexUnknown.set(well ? 0 : 1)
    },
  }
}
