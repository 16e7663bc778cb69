import { pino } from 'pino'
import t from 'tap'
import { temporaryFolder } from '../../bed/processes/temporary-folder.ts'
import { until } from '../../bed/processes/until.ts'
import { startPostgres } from '../../bed/servers/postgres-server.ts'
import { createLifecycle } from '../../src/lifecycle.ts'
import { createMetrics } from '../../src/metrics.ts'
import { connectStores } from '../../src/roles/stores.ts'
import { migrate } from '../../src/stores/postgres-migrate.ts'

void t.test('a start waits for a PostgreSQL that comes up', async (t) => {
  const folder = await temporaryFolder('stores')
  const server = await startPostgres({ folder: folder.path })
  t.teardown(async () => {
    await server.stop()
    await folder.remove()
  })
  const DATABASE_URL = await server.createDatabase('greenroom')
  await migrate(DATABASE_URL, pino({ level: 'silent' }))
  await server.stop()

  const lines: string[] = []
  const logger = pino({}, { write: (line) => void lines.push(line) })
  const lifecycle = createLifecycle(logger)
  t.teardown(() => lifecycle.stop())
  // Nothing listens there: Redis is not waited for.
  const config = { DATABASE_URL, REDIS_URL: 'redis://127.0.0.1:9' }
  const connecting = connectStores(config, { lifecycle, logger, metrics: createMetrics() })
  // A rejection is looked at below.
  connecting.catch(() => undefined)
  await until('a failed look', () => lines.some((line) => line.includes('waiting for postgresql')))
  await server.restart()
  await t.resolves(connecting.then((stores) => stores.ping()))
})
