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
      const sizes = await Promise.all(agentTypes().map((agentType) => index.size(agentType)))
      well = (await probeRedis()) && !sizes.includes(undefined)
      metrics.indexUnknown.set(well ? 0 : 1)
    },
  }
}
