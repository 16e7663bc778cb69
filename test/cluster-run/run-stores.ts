import { randomBytes } from 'node:crypto'
import { temporaryFolder } from '../../bed/processes/temporary-folder.ts'
import { startPostgres } from '../../bed/servers/postgres-server.ts'
import { startRedis } from '../../bed/servers/redis-server.ts'
import type { StoreOptions } from './run-options.ts'

export interface RunStores {
  readonly redisUrl: string
  readonly databaseUrl: string
  stop(): Promise<void>
}

/** Redis and PostgreSQL for one run, at an address that pods reach, with passwords nobody else knows. */
export async function provideStores(options: StoreOptions): Promise<RunStores> {
  if ('redisUrl' in options) return { ...options, stop: async () => undefined }
  const folder = await temporaryFolder('cluster-run')
  const exposed = () => ({ host: options.hostAddress, password: randomBytes(24).toString('hex') })
  const redis = await startRedis({ folder: folder.path, exposed: exposed() })
  const postgres = await startPostgres({ folder: folder.path, exposed: exposed(), fsync: true })
  return {
    redisUrl: redis.url,
    databaseUrl: await postgres.createDatabase('greenroom'),
    async stop() {
      await Promise.all([redis.stop(), postgres.stop()])
      await folder.remove()
    },
  }
}
