import type { DemandFeed } from '../domain/sizing-ports.ts'
import type { Logger } from '../logging.ts'
import type { SlotRedis } from './redis-client.ts'
import { poolKeys } from './redis-keys.ts'

/** The controller reads the counts of each pool every few seconds; those of a removed pool go after a day. */
const keptSeconds = 86_400

/** How many sessions each pool was asked for, as `count-arrival.lua` counts them. */
export function createRedisDemand(redis: SlotRedis, logger: Logger): DemandFeed {
  return {
    async read(agentType) {
      try {
        const { demand } = poolKeys(agentType)
        const answers = await redis
          .pipeline()
          .hmget(demand, 'since', 'arrivals', 'misses')
          .expire(demand, keptSeconds)
          .exec()
        const [error, values] = answers?.[0] ?? []
        if (error) throw error
        const [since = 0, arrivals = 0, misses = 0] = (values as (string | null)[]).map(Number)
        return { since, arrivals, misses }
      } catch (error) {
        logger.debug({ err: error }, 'demand not read')
        return undefined
      }
    },
  }
}
