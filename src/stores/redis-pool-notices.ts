import type { PoolNotice, PoolNotices } from '../domain/index-ports.ts'
import type { Logger } from '../logging.ts'
import type { SlotRedis } from './redis-client.ts'
import { poolKeys } from './redis-keys.ts'

/** The controller posts with each reconcile and at least every few seconds; an older notice is out of date. */
const noticeTtlSeconds = 30

/** What keeps each pool from its goal: the controller writes it to Redis, and the API replicas show it. */
export function createRedisPoolNotices(redis: SlotRedis, logger: Logger): PoolNotices {
  return {
    async post(agentType, notice) {
      try {
        await redis.set(poolKeys(agentType).notice, JSON.stringify(notice), 'EX', noticeTtlSeconds)
      } catch (error) {
        logger.debug({ err: error }, 'pool notice not posted')
      }
    },
    async read(agentType) {
      try {
        const text = await redis.get(poolKeys(agentType).notice)
        return text === null ? undefined : (JSON.parse(text) as PoolNotice)
      } catch (error) {
        logger.debug({ err: error }, 'pool notice not read')
        return undefined
      }
    },
  }
}
