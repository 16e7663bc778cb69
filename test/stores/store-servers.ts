import { pino } from 'pino'
import type { Test } from 'tap'
import { temporaryFolder } from '../../bed/processes/temporary-folder.ts'
import { until } from '../../bed/processes/until.ts'
import { startPostgres } from '../../bed/servers/postgres-server.ts'
import { startRedis } from '../../bed/servers/redis-server.ts'
import type { OpenRecord } from '../../src/domain/ports.ts'
import type { Logger } from '../../src/logging.ts'
import { createMetrics } from '../../src/metrics.ts'
import { createPostgres } from '../../src/stores/postgres-client.ts'
import { migrate } from '../../src/stores/postgres-migrate.ts'
import { createRedis, type SlotRedis } from '../../src/stores/redis-client.ts'
import { createRedisSlotIndex } from '../../src/stores/redis-slot-index.ts'

/** Real servers for the tests of stores and use cases; everything ends with the test file. */

export const silent: Logger = pino({ level: 'silent' })

/** A logger that keeps its lines. */
export function keptLog(level = 'debug'): { logger: Logger; lines: string[] } {
  const lines: string[] = []
  return { logger: pino({ level }, { write: (line) => lines.push(line) }), lines }
}

export async function startDatabase(t: Test) {
  const folder = await temporaryFolder('pg')
  const server = await startPostgres({ folder: folder.path })
  t.teardown(async () => {
    await server.stop()
    await folder.remove()
  })
  const template = await server.createDatabase('migrated')
  await migrate(template, silent)
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

let serial = 0

export function newId(): string {
  serial += 1
  return `0198c0de-0000-7000-8000-${serial.toString(16).padStart(12, '0')}`
}

export function newRecord(overrides: Partial<OpenRecord> = {}): OpenRecord {
  const id = overrides.id ?? newId()
  const uid = `pod-of-${id}`
  return {
    id,
    agentType: 'echo-agent',
    projectId: 'project-1',
    roomName: 'lobby',
    room: `echo-agent-${id}`,
    participant: { identity: 'ann' },
    metadata: { topic: 'tea' },
    fingerprint: undefined,
    leaseMs: 60_000,
    leaseHeldBy: 'both',
    maxSessionMs: 3_600_000,
    warm: true,
    epoch: 1,
    pod: { uid, name: `name-${uid}`, ip: '127.1.2.3' },
    ...overrides,
  }
}

export function podNamed(uid: string) {
  return { uid, name: `name-${uid}`, ip: '127.1.2.3' }
}
