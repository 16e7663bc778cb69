import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { PodView } from '../../src/domain/cluster-ports.ts'
import type { LogPartitions } from '../../src/domain/log-partitions.ts'
import type * as ReadPools from '../../src/sessions/read-pools.ts'
import type * as AuditLog from '../../src/stores/postgres-audit-log.ts'
import type * as ClaimLedger from '../../src/stores/postgres-claim-ledger.ts'
import type * as Client from '../../src/stores/postgres-client.ts'
import type * as EventLog from '../../src/stores/postgres-event-log.ts'
import type * as InvariantReader from '../../src/stores/postgres-invariant-reader.ts'
import type * as Partitions from '../../src/stores/postgres-log-partitions.ts'
import type * as Migrate from '../../src/stores/postgres-migrate.ts'
import type * as PoolPods from '../../src/stores/postgres-pool-pods.ts'
import type * as SessionStore from '../../src/stores/postgres-session-store.ts'
import type * as Timelines from '../../src/stores/postgres-timelines.ts'
import { silent } from './bench-bed.ts'

/** The stores of one checkout on one database: the code of another version is measured on the schema of that version. */

/** What is loaded from the checkout, with the types that it has here. */
const modules = [
  'stores/postgres-client.ts',
  'stores/postgres-migrate.ts',
  'stores/postgres-session-store.ts',
  'stores/postgres-claim-ledger.ts',
  'stores/postgres-audit-log.ts',
  'stores/postgres-event-log.ts',
  'stores/postgres-pool-pods.ts',
  'stores/postgres-timelines.ts',
  'stores/postgres-invariant-reader.ts',
  'sessions/read-pools.ts',
] as const

type Modules = typeof Client &
  typeof Migrate &
  typeof SessionStore &
  typeof ClaimLedger &
  typeof AuditLog &
  typeof EventLog &
  typeof PoolPods &
  typeof Timelines &
  typeof InvariantReader &
  typeof ReadPools

const loadFrom = (folder: string, path: string): Promise<unknown> =>
  import(pathToFileURL(join(folder, 'src', path)).href)

async function modulesOf(folder: string): Promise<Modules> {
  const loaded = await Promise.all(modules.map((path) => loadFrom(folder, path)))
  return Object.assign({}, ...loaded) as Modules
}

/** undefined: a version that has no partitions. */
async function partitionsOf(folder: string): Promise<typeof Partitions | undefined> {
  const path = 'stores/postgres-log-partitions.ts'
  return existsSync(join(folder, 'src', path))
    ? ((await loadFrom(folder, path)) as typeof Partitions)
    : undefined
}

export async function migrateWith(folder: string, url: string): Promise<void> {
  await (await modulesOf(folder)).migrate(url, silent)
}

export type RowsVersion = Awaited<ReturnType<typeof connectVersion>>

export async function connectVersion(folder: string, url: string) {
  const version = await modulesOf(folder)
  const partitions = await partitionsOf(folder)
  const postgres = version.createPostgres(url, silent, 4)
  const logs = partitions?.createPostgresLogPartitions(postgres)
  const sessions = version.createPostgresSessionStore(postgres)
  const ledger = version.createPostgresClaimLedger(postgres)
  return {
    postgres,
    sessions,
    ledger,
    audit: version.createPostgresAuditLog(postgres),
    events: version.createPostgresEventLog(postgres),
    poolPods: version.createPostgresPoolPods(postgres),
    timelines: version.createPostgresTimelines(postgres),
    invariants: version.createPostgresInvariantReader(postgres),
    /** GET /v1/pools, with these pods in the informer. */
    readPools: (pods: PodView) =>
      version.createReadPools({
        pools: { current: () => undefined, status: () => unseen, onChange: () => () => undefined },
        pods,
        ledger,
        sessions,
        notices: { post: async () => {}, read: async () => undefined },
        waiters: { waiting: () => 0 },
        index: { waiting: async () => 0 },
      }),
    dropOldest:
      logs && ((...[log, afterMs]: Parameters<LogPartitions['dropOldest']>) => logs.dropOldest(log, afterMs)),
    close: () => postgres.close(),
  }
}

const unseen = { seen: undefined, applied: undefined, problems: undefined }
