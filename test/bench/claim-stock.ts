import pg from 'pg'
import { until } from '../../bed/processes/until.ts'
import { createMetrics } from '../../src/metrics.ts'
import { createPostgres } from '../../src/stores/postgres-client.ts'
import { createPostgresPoolPods } from '../../src/stores/postgres-pool-pods.ts'
import { createRedis } from '../../src/stores/redis-client.ts'
import { poolKeys } from '../../src/stores/redis-keys.ts'
import { createRedisSlotIndex } from '../../src/stores/redis-slot-index.ts'
import { type BenchBed, silent } from './bench-bed.ts'

/** Index and tables of a bench, which it puts back to where nothing was ever claimed. */
export interface ClaimStock {
  readonly index: ReturnType<typeof createRedisSlotIndex>
  /** Nothing is claimed, and these are the slots of the pools. */
  refill(pools: Readonly<Record<string, readonly string[]>>): Promise<void>
  /** As the controller does with a pod that it has just made. */
  note(agentType: string, podUids: readonly string[]): Promise<void>
  close(): Promise<void>
}

export async function createClaimStock({ redis: server, databaseUrl }: BenchBed): Promise<ClaimStock> {
  const redis = createRedis(server.url, silent)
  await until('redis connection', () => redis.status === 'ready')
  const database = new pg.Client({ connectionString: databaseUrl })
  await database.connect()
  const postgres = createPostgres(databaseUrl, silent, 1)
  const poolPods = createPostgresPoolPods(postgres)
  const index = createRedisSlotIndex({
    redis,
    logger: silent,
    metrics: createMetrics(),
    now: () => performance.now(),
  })
  async function note(agentType: string, podUids: readonly string[]): Promise<void> {
    await poolPods.note(podUids.map((podUid) => ({ podUid, agentType, templateHash: '', specDigest: '' })))
  }

  return {
    index,
    note,
    async refill(pools) {
      await database.query('TRUNCATE sessions, pod_claims, pool_pods CASCADE')
      for (const [agentType, podUids] of Object.entries(pools)) await note(agentType, podUids)
      // The next case must not pay for writing out the pages of this one.
      await database.query('CHECKPOINT')
      for (const [agentType, podUids] of Object.entries(pools)) {
        await redis.del(...Object.values(poolKeys(agentType)))
        await index.rebuild(
          agentType,
          podUids.map((podUid, rank) => ({ podUid, rank })),
        )
      }
    },
    async close() {
      redis.disconnect()
      await postgres.close()
      await database.end()
    },
  }
}
