import { Client } from 'pg'
import type { Test } from 'tap'
import { temporaryFolder } from '../../bed/processes/temporary-folder.ts'
import { until } from '../../bed/processes/until.ts'
import { startPostgres } from '../../bed/servers/postgres-server.ts'
import { startRedis } from '../../bed/servers/redis-server.ts'
import { createMetrics } from '../../src/metrics.ts'
import { createPostgres } from '../../src/stores/postgres-client.ts'
import { migrate } from '../../src/stores/postgres-migrate.ts'
import { createRedis, type SlotRedis } from '../../src/stores/redis-client.ts'
import { createRedisSlotIndex } from '../../src/stores/redis-slot-index.ts'
import { silent } from '../support/kept-log.ts'

/** Real servers for the tests of stores and use cases; everything ends with the test file. */

export async function startDatabase(t: Test) {
  const folder = await temporaryFolder('pg')
  const server = await startPostgres({ folder: folder.path })
  t.teardown(async () => {
    await server.stop()
    await folder.remove()
  })
  const template = await server.createDatabase('migrated')
  await migrate(template, silent)
  // Most rows here name pods that no controller made. A claim asks for no note until notes are complete: see notePods.
  const client = new Client({ connectionString: template })
  await client.connect()
  await client.query('UPDATE pool_pod_notes SET complete_since = NULL')
  await client.end()
  let count = 0
  return {
    server,
    folder,
    /** A migrated database of its own. */
    fresh: () => server.createDatabase(`test_${(count += 1)}`, { template: 'migrated' }),
  }
}

export type Database = Awaited<ReturnType<typeof startDatabase>>

/** A client of a fresh database, or of `url`; closed with the test. */
export async function postgresFor(t: Test, database: Database, options: { url?: string; max?: number } = {}) {
  const url = options.url ?? (await database.fresh())
  const postgres = createPostgres(url, silent, options.max ?? 10)
  t.teardown(() => postgres.close())
  return { ...postgres, url }
}

export async function startIndexServer(t: Test) {
  const folder = await temporaryFolder('redis')
  const server = await startRedis({ folder: folder.path })
  t.teardown(async () => {
    await server.stop()
    await folder.remove()
  })
  return server
}

export async function redisFor(t: Test, url: string): Promise<SlotRedis> {
  const redis = createRedis(url, silent)
  t.teardown(() => redis.disconnect())
  await until('redis connection', () => redis.status === 'ready')
  return redis
}

export function indexOn(redis: SlotRedis, now: () => number = () => performance.now()) {
  return createRedisSlotIndex({ redis, logger: silent, metrics: createMetrics(), now })
}
