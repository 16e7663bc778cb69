import type { Test } from 'tap'
import { PodWriteError, type PodWriteReason } from '../../src/domain/pod-write-error.ts'
import { poolKeys } from '../../src/stores/redis-keys.ts'
import { indexOn, redisFor, startDatabase, startIndexServer } from '../stores/store-servers.ts'
import { agentType, type ControllerBed, controllerBed, poolsOf } from './controller-bed.ts'

/** One pool over a database and an index that start empty, and the ways in which a write of its pods is refused. */

export type PoolBed = ControllerBed

export async function startPoolServers(t: Test) {
  const database = await startDatabase(t)
  const redis = await redisFor(t, (await startIndexServer(t)).url)
  return {
    redis,
    bedFor: async (t: Test, settings: Record<string, unknown> = { min: 3, max: 10 }): Promise<PoolBed> => {
      await redis.flushall()
      return controllerBed(t, { database, index: indexOn(redis), pools: poolsOf(settings) })
    },
    indexed: () => redis.zrange(poolKeys(agentType).ready, '0', '-1'),
  }
}

export function refusal(reason: PodWriteReason, message: string, answered = true): PodWriteError {
  return new PodWriteError(reason, message, { answered })
}
