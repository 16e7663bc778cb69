import { once } from 'node:events'
import { loadKubeAccess } from '../cluster/kube-access.ts'
import { createKubeTransport } from '../cluster/kube-transport.ts'
import { pooledPods } from '../cluster/live-pods.ts'
import type { Config } from '../config.ts'
import { type InvariantLook, type InvariantSources, lookAtInvariants } from '../controllers/invariant-look.ts'
import {
  defaultLimits,
  type InvariantLimits,
  seenForMs,
  type Violation,
} from '../domain/invariants/breach.ts'
import { type SeenSince, watchViolations } from '../domain/invariants/breach-watch.ts'
import type { LedgerReader } from '../domain/invariants/invariant-snapshot.ts'
import { findViolations } from '../domain/invariants/invariants.ts'
import { GreenroomError } from '../errors.ts'
import type { Logger } from '../logging.ts'
import { createPostgres, databaseError, type Postgres } from '../stores/postgres-client.ts'
import { createPostgresInvariantReader } from '../stores/postgres-invariant-reader.ts'
import { assertMigrated } from '../stores/postgres-migrate.ts'
import { createRedis, type SlotRedis } from '../stores/redis-client.ts'
import { createRedisIndexReader } from '../stores/redis-index-reader.ts'
import { pause } from '../timing/pause.ts'

export interface Examination extends InvariantLook {
  readonly violations: readonly Violation[]
}

interface ExamineOptions {
  readonly limits?: InvariantLimits
  /** No finding has to last longer than this before it counts, ms; undefined: each as long as its kind says. */
  readonly settleMs?: number | undefined
}

/** Between looks while something may still be on its way. */
const lookAgainMs = 1_000
/** A Redis that is there says so in milliseconds. */
const redisReadyMs = 2_000

/** Looks until nothing is in doubt any more: at once when all is well, else at most about as long as `seenForMs`. */
export async function examine(
  sources: InvariantSources,
  { limits = defaultLimits, settleMs }: ExamineOptions = {},
): Promise<Examination> {
  const deadline = performance.now() + Math.min(Math.max(...Object.values(seenForMs)), settleMs ?? Infinity)
  let seenSince: SeenSince = new Map()
  for (;;) {
    const atMs = performance.now()
    const look = await lookAtInvariants(sources, Date.now())
    const found = findViolations(look.snapshot, limits)
    const watched = watchViolations(seenSince, { found, atMs, atMostMs: settleMs ?? Infinity })
    seenSince = watched.seenSince
    if (watched.suspected.length === 0 || atMs >= deadline) return { ...look, violations: watched.confirmed }
    await pause(Math.max(1, Math.min(lookAgainMs, deadline - performance.now())))
  }
}

/** The stores of an installation, each opened on its own: one that is away does not hide the others. */
export async function openInvariantSources(
  config: Pick<Config<'doctor'>, 'DATABASE_URL' | 'REDIS_URL' | 'GREENROOM_NAMESPACE'> & KubeSource,
  logger: Logger,
): Promise<{ sources: InvariantSources; close: () => Promise<void> }> {
  const postgres = createPostgres(config.DATABASE_URL, logger, 1)
  const redis = createRedis(config.REDIS_URL, logger)
  await readyOrLate(redis)
  const access = loadKubeAccess(config)
  const transport = access.then((found) => createKubeTransport(found))
  // Looked at below, when pods are read.
  transport.catch(() => undefined)
  return {
    sources: {
      pods: async () => pooledPods(await transport, config.GREENROOM_NAMESPACE),
      ledger: migratedReader(postgres),
      index: createRedisIndexReader(redis),
    },
    async close() {
      redis.disconnect()
      await postgres.close()
      await transport.then(
        (opened) => opened.close(),
        () => undefined,
      )
    },
  }
}

type KubeSource = Parameters<typeof loadKubeAccess>[0]

async function readyOrLate(redis: SlotRedis): Promise<void> {
  if (redis.status === 'ready') return
  // Late or refused: the first read says so.
  await once(redis, 'ready', { signal: AbortSignal.timeout(redisReadyMs) }).catch(() => undefined)
}

/** On a schema of another version the statements would fail with riddles. */
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
