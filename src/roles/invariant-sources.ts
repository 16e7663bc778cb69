import { once } from 'node:events'
import { loadKubeAccess } from '../cluster/kube-access.ts'
import { createKubeTransport } from '../cluster/kube-transport.ts'
import { pooledPods } from '../cluster/live-pods.ts'
import type { Config } from '../config.ts'
import type { IndexReader, LedgerReader } from '../domain/invariants/invariant-snapshot.ts'
import type { InvariantSources } from '../domain/invariants/read-invariant-snapshot.ts'
import { GreenroomError } from '../errors.ts'
import type { Logger } from '../logging.ts'
import { createPostgres, databaseError, type Postgres } from '../stores/postgres-client.ts'
import { createPostgresInvariantReader } from '../stores/postgres-invariant-reader.ts'
import { assertMigrated } from '../stores/postgres-migrate.ts'
import { createRedis, type SlotRedis } from '../stores/redis-client.ts'
import { createRedisIndexReader } from '../stores/redis-index-reader.ts'

/** A Redis that is there says so in milliseconds. */
const redisReadyMs = 2_000

type KubeSource = Parameters<typeof loadKubeAccess>[0]

interface OpenedSource<T> {
  readonly source: T
  readonly close: () => Promise<void> | void
}

/** Opens the three stores of an installation, each on its own: one that is away or not configured does not hide the others. */
export async function openInvariantSources(
  config: Pick<Config<'doctor'>, 'DATABASE_URL' | 'REDIS_URL' | 'GREENROOM_NAMESPACE'> & KubeSource,
  logger: Logger,
): Promise<{ sources: InvariantSources; close: () => Promise<void> }> {
  const ledger = openLedger(config.DATABASE_URL, logger)
  const index = await openIndex(config.REDIS_URL, logger)
  const access = loadKubeAccess(config)
  const transport = access.then((found) => createKubeTransport(found))
  // A failure is reported below, when pods are read.
  transport.catch(() => undefined)
  return {
    sources: {
      pods: async () => pooledPods(await transport, config.GREENROOM_NAMESPACE),
      ledger: ledger.source,
      index: index.source,
    },
    async close() {
      await Promise.all([ledger.close(), index.close()])
      await transport.then(
        (opened) => opened.close(),
        () => undefined,
      )
    },
  }
}

function openLedger(url: string | undefined, logger: Logger): OpenedSource<LedgerReader> {
  if (url === undefined) return { source: { read: () => notSet('DATABASE_URL') }, close: () => undefined }
  const postgres = createPostgres(url, logger, 1)
  return { source: migratedReader(postgres), close: () => postgres.close() }
}

async function openIndex(url: string | undefined, logger: Logger): Promise<OpenedSource<IndexReader>> {
  if (url === undefined) {
    const read = () => notSet('REDIS_URL')
    return { source: { pools: read, read }, close: () => undefined }
  }
  const redis = createRedis(url, logger)
  await readyOrLate(redis)
  return { source: createRedisIndexReader(redis), close: () => redis.disconnect() }
}

function notSet(name: string): Promise<never> {
  return Promise.reject(new GreenroomError('GRN_INVALID_CONFIG', `${name} is not set.`))
}

async function readyOrLate(redis: SlotRedis): Promise<void> {
  if (redis.status === 'ready') return
  // If Redis is late or refuses, the first read says so.
  await once(redis, 'ready', { signal: AbortSignal.timeout(redisReadyMs) }).catch(() => undefined)
}

/** Checks the schema first: on another version the statements would fail with messages that do not name the cause. */
function migratedReader(postgres: Postgres): LedgerReader {
  const reader = createPostgresInvariantReader(postgres)
  let migrated = false
  return {
    async read(podUids) {
      if (!migrated) {
        await assertMigrated(postgres.durable).catch((error: unknown) => {
          throw error instanceof GreenroomError ? error : databaseError(error)
        })
        migrated = true
      }
      return reader.read(podUids)
    },
  }
}
