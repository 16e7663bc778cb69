import type { Pool } from 'pg'
import type { Config } from '../config.ts'
import { GreenroomError } from '../errors.ts'
import type { Logger } from '../logging.ts'
import { createPostgresApiKeys } from '../stores/postgres-api-keys.ts'
import { createPostgresAuditLog } from '../stores/postgres-audit-log.ts'
import { createPostgresBacklog } from '../stores/postgres-backlog.ts'
import { createPostgresClaimLedger } from '../stores/postgres-claim-ledger.ts'
import { assertSettings, createPostgres, databaseError, type Postgres } from '../stores/postgres-client.ts'
import { createPostgresEventLog } from '../stores/postgres-event-log.ts'
import { createPostgresEventWebhooks } from '../stores/postgres-event-webhooks.ts'
import { createPostgresInvariantReader } from '../stores/postgres-invariant-reader.ts'
import { createPostgresLeaderReports } from '../stores/postgres-leader-reports.ts'
import { createPostgresLiveSessions } from '../stores/postgres-live-sessions.ts'
import { createPostgresLogPartitions } from '../stores/postgres-log-partitions.ts'
import { assertMigrated } from '../stores/postgres-migrate.ts'
import { createPostgresPodLives } from '../stores/postgres-pod-lives.ts'
import { createPostgresPoolHistory } from '../stores/postgres-pool-history.ts'
import { createPostgresPoolPods } from '../stores/postgres-pool-pods.ts'
import { createPostgresPoolRevisions } from '../stores/postgres-pool-revisions.ts'
import { createPostgresPoolSizing } from '../stores/postgres-pool-sizing.ts'
import { createPostgresProjectLimits } from '../stores/postgres-project-limits.ts'
import { createPostgresReplicaLiveness } from '../stores/postgres-replica-liveness.ts'
import { createPostgresRoomLedger } from '../stores/postgres-room-ledger.ts'
import { createPostgresSessionStore } from '../stores/postgres-session-store.ts'
import { createPostgresSigners } from '../stores/postgres-signers.ts'
import { createPostgresTimelines } from '../stores/postgres-timelines.ts'
import { createPostgresUsageReader } from '../stores/postgres-usage-reader.ts'
import { canWrite, createRedis, createSubscriber } from '../stores/redis-client.ts'
import { createRedisDemand } from '../stores/redis-demand.ts'
import { createRedisIndexReader } from '../stores/redis-index-reader.ts'
import { createRedisPoolNotices } from '../stores/redis-pool-notices.ts'
import { createRedisProjectQuotas } from '../stores/redis-project-quotas.ts'
import { createRedisSlotIndex } from '../stores/redis-slot-index.ts'
import { createRedisWakeBus } from '../stores/redis-wake-bus.ts'
import { pause } from '../timing/pause.ts'
import type { RoleContext } from './role.ts'

type StoreConfig = Pick<Config<'api'>, 'DATABASE_URL' | 'REDIS_URL'>

/** Connections opened before the first request, so that no request waits for one. */
const warmConnections = 4

/**
 * How long a start waits for PostgreSQL, which may be starting too or answer late because the whole node starts at once.
 * A process that ended instead would be restarted with longer and longer delays.
 */
const databaseWaitMs = 30_000
const databaseRetryMs = 500

/** PostgreSQL and Redis for one process. Refuses to start on an old schema; starts without Redis. */
export async function connectStores(
  config: StoreConfig,
  { lifecycle, logger, metrics }: Pick<RoleContext, 'lifecycle' | 'logger' | 'metrics'>,
) {
  const postgres = createPostgres(config.DATABASE_URL, logger)
  await lifecycle.start({
    name: 'postgresql',
    async start() {
      try {
        await openDatabase(postgres, logger)
      } catch (error) {
        await postgres.close()
        throw error
      }
    },
    stop: () => postgres.close(),
  })
  const redis = createRedis(config.REDIS_URL, logger)
  const subscriber = createSubscriber(config.REDIS_URL, logger)
  const wakes = createRedisWakeBus({ publisher: redis, subscriber, logger })
  await lifecycle.start({
    name: 'redis',
    start: () => wakes.start(),
    stop() {
      redis.disconnect()
      subscriber.disconnect()
    },
  })
  return {
    sessions: createPostgresSessionStore(postgres),
    ledger: createPostgresClaimLedger(postgres),
    poolPods: createPostgresPoolPods(postgres),
    poolRevisions: createPostgresPoolRevisions(postgres),
    podLives: createPostgresPodLives(postgres),
    usage: createPostgresUsageReader(postgres),
    poolSizing: createPostgresPoolSizing(postgres),
    eventLog: createPostgresEventLog(postgres),
    eventWebhooks: createPostgresEventWebhooks(postgres),
    demand: createRedisDemand(redis, logger),
    backlog: createPostgresBacklog(postgres),
    ledgerReader: createPostgresInvariantReader(postgres),
    indexReader: createRedisIndexReader(redis),
    roomLedger: createPostgresRoomLedger(postgres),
    index: createRedisSlotIndex({ redis, logger, metrics, now: () => performance.now() }),
    projectLimits: createPostgresProjectLimits(postgres),
    projectQuotas: createRedisProjectQuotas({ redis, logger, now: () => performance.now() }),
    notices: createRedisPoolNotices(redis, logger),
    leaderReports: createPostgresLeaderReports(postgres),
    poolHistory: createPostgresPoolHistory(postgres),
    timelines: createPostgresTimelines(postgres),
    countLiveSessions: createPostgresLiveSessions(postgres),
    wakes,
    liveness: createPostgresReplicaLiveness(postgres),
    signers: createPostgresSigners(postgres),
    auditLog: createPostgresAuditLog(postgres),
    logPartitions: createPostgresLogPartitions(postgres),
    apiKeys: createPostgresApiKeys(postgres),
    waitingStatements: () => postgres.durable.waitingCount,
    redisIsReady: () => redis.status === 'ready',
    /** Whether Redis takes a write: a primary that became a replica still answers reads. */
    probeRedis: (): Promise<boolean> => canWrite(redis),
    async ping(): Promise<void> {
      await postgres.durable.query('SELECT 1')
    },
  }
}

export type Stores = Awaited<ReturnType<typeof connectStores>>

/** Throws GRN_SCHEMA_OUTDATED and GRN_DATABASE_POOLED at once, and GRN_DATABASE_UNAVAILABLE when PostgreSQL did not come in time. */
async function openDatabase({ durable, relaxed }: Postgres, logger: Logger): Promise<void> {
  const deadline = performance.now() + databaseWaitMs
  for (;;) {
    try {
      await assertSettings({ relaxed })
      await assertMigrated(durable)
      const warm = [durable, relaxed].flatMap((pool) => Array<Pool>(warmConnections).fill(pool))
      await Promise.all(warm.map((pool) => pool.query('SELECT 1')))
      return
    } catch (thrown) {
      const error = databaseError(thrown)
      const isAway = error instanceof GreenroomError && error.code === 'GRN_DATABASE_UNAVAILABLE'
      if (!isAway || performance.now() > deadline) throw error
      logger.warn({ err: error }, 'waiting for postgresql')
      await pause(databaseRetryMs)
    }
  }
}
