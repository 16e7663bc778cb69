import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { until } from '../../bed/processes/until.ts'
import { root } from '../../bed/repository.ts'
import { createMetrics } from '../../src/metrics.ts'
import type { createRedis as connect } from '../../src/stores/redis-client.ts'
import { poolKeys } from '../../src/stores/redis-keys.ts'
import type { createRedisSlotIndex as createIndex } from '../../src/stores/redis-slot-index.ts'
import { type BenchBed, silent } from './bench-bed.ts'
import { newSessionId } from './bench-records.ts'

/** What a rebuild of one pool's index takes, with this checkout's stores or another's. */
export interface RebuildRow {
  readonly version: string
  readonly slots: number
  readonly rebuildMs: number
  /** The longest command by Redis' own clock: for so long it served nobody else. */
  readonly longestCommandMs: number
  /** Slots that were in the index afterwards. */
  readonly indexed: number
  /** Of Redis, bytes a slot. */
  readonly bytesEach: number
}

const agentType = 'scale'

interface IndexCode {
  readonly createRedis: typeof connect
  readonly createRedisSlotIndex: typeof createIndex
}

export async function measureRebuilds(
  bed: BenchBed,
  sizes: readonly number[],
  versions: Readonly<Record<string, string>>,
): Promise<readonly RebuildRow[]> {
  const rows: RebuildRow[] = []
  for (const slots of sizes)
    for (const [version, folder] of Object.entries(versions))
      rows.push({ version, slots, ...(await measureRebuild(bed, slots, await codeIn(folder))) })
  return rows
}

async function codeIn(folder: string): Promise<IndexCode> {
  const load = (path: string) => import(pathToFileURL(join(folder, path)).href)
  const [{ createRedis }, { createRedisSlotIndex }] = await Promise.all([
    load('src/stores/redis-client.ts'),
    load('src/stores/redis-slot-index.ts'),
  ])
  return { createRedis, createRedisSlotIndex }
}

export const thisVersion = root

async function measureRebuild(
  bed: BenchBed,
  count: number,
  { createRedis, createRedisSlotIndex }: IndexCode,
): Promise<Omit<RebuildRow, 'version' | 'slots'>> {
  const redis = createRedis(bed.redis.url, silent)
  try {
    await until('redis connection', () => redis.status === 'ready')
    await redis.del(...Object.values(poolKeys(agentType)))
    const emptyBytes = await usedBytes(redis)
    const index = createRedisSlotIndex({
      redis,
      logger: silent,
      metrics: createMetrics(),
      now: () => performance.now(),
    })
    const slots = Array.from({ length: count }, (_, n) => ({ podUid: newSessionId(), rank: 1.7e12 + n }))
    // The first one fills an empty index; the second finds it full, as most do.
    await index.rebuild(agentType, slots)
    const bytesEach = Math.round(((await usedBytes(redis)) - emptyBytes) / count)
    await redis.config('SET', 'slowlog-log-slower-than', 0)
    await redis.config('SET', 'slowlog-max-len', 10_000)
    await redis.slowlog('RESET')
    const began = performance.now()
    await index.rebuild(agentType, slots)
    const rebuildMs = rounded(performance.now() - began)
    const commands = (await redis.slowlog('GET', 10_000)) as [id: number, at: number, us: number][]
    return {
      rebuildMs,
      longestCommandMs: rounded(Math.max(...commands.map(([, , us]) => us)) / 1_000),
      indexed: await redis.zcard(poolKeys(agentType).ready),
      bytesEach,
    }
  } finally {
    redis.disconnect()
  }
}

async function usedBytes(redis: ReturnType<typeof connect>): Promise<number> {
  return Number(/used_memory:(\d+)/.exec(await redis.info('memory'))?.[1] ?? 0)
}

const rounded = (ms: number) => Math.round(ms * 10) / 10
