import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { PodView } from '../../src/domain/cluster-ports.ts'
import { silent } from './bench-bed.ts'

/** The stores of one checkout on one database: the code of another version is measured on the schema of that version. */

const loadFrom = <T>(folder: string, path: string): Promise<T> =>
  import(pathToFileURL(join(folder, 'src', path)).href) as Promise<T>

async function modulesOf(folder: string) {
  const load = <T>(path: string) => loadFrom<T>(folder, path)
  return {
    ...(await load<typeof import('../../src/stores/postgres-client.ts')>('stores/postgres-client.ts')),
    ...(await load<typeof import('../../src/stores/postgres-migrate.ts')>('stores/postgres-migrate.ts')),
    ...(await load<typeof import('../../src/stores/postgres-session-store.ts')>(
      'stores/postgres-session-store.ts',
    )),
    ...(await load<typeof import('../../src/stores/postgres-claim-ledger.ts')>(
      'stores/postgres-claim-ledger.ts',
    )),
    ...(await load<typeof import('../../src/stores/postgres-audit-log.ts')>('stores/postgres-audit-log.ts')),
    ...(await load<typeof import('../../src/stores/postgres-event-log.ts')>('stores/postgres-event-log.ts')),
    ...(await load<typeof import('../../src/stores/postgres-pool-pods.ts')>('stores/postgres-pool-pods.ts')),
    ...(await load<typeof import('../../src/stores/postgres-timelines.ts')>('stores/postgres-timelines.ts')),
    ...(await load<typeof import('../../src/stores/postgres-invariant-reader.ts')>(
      'stores/postgres-invariant-reader.ts',
    )),
    ...(await load<typeof import('../../src/sessions/read-pools.ts')>('sessions/read-pools.ts')),
  }
}

export async function migrateWith(folder: string, url: string): Promise<void> {
  await (await modulesOf(folder)).migrate(url, silent)
}

export type RowsVersion = Awaited<ReturnType<typeof connectVersion>>

export async function connectVersion(folder: string, url: string) {
  const modules = await modulesOf(folder)
  const partitions = await loadFrom<typeof import('../../src/stores/postgres-log-partitions.ts')>(
    folder,
    'stores/postgres-log-partitions.ts',
  ).catch(() => undefined)
  const postgres = modules.createPostgres(url, silent, 4)
  const sessions = modules.createPostgresSessionStore(postgres)
  const ledger = modules.createPostgresClaimLedger(postgres)
  return {
    postgres,
    sessions,
    ledger,
    audit: modules.createPostgresAuditLog(postgres),
    events: modules.createPostgresEventLog(postgres),
    poolPods: modules.createPostgresPoolPods(postgres),
    timelines: modules.createPostgresTimelines(postgres),
    invariants: modules.createPostgresInvariantReader(postgres),
    /** GET /v1/pools, with these pods in the informer. */
    readPools: (pods: PodView) =>
      modules.createReadPools({
        pools: { current: () => undefined, status: () => unseen, onChange: () => () => undefined },
        pods,
        ledger,
        sessions,
        notices: { post: async () => {}, read: async () => undefined },
        waiters: { waiting: () => 0 },
        index: { waiting: async () => 0 },
      }),
    /** undefined: a version that has no partitions. */
    dropOldest: partitions?.createPostgresLogPartitions(postgres).dropOldest,
    close: () => postgres.close(),
  }
}

const unseen = { seen: undefined, applied: undefined, problems: undefined }
