import { randomBytes } from 'node:crypto'
import { loadConfig, migrateAccess } from '../config.ts'
import { createLifecycle } from '../lifecycle.ts'
import { createLogger } from '../logging.ts'
import { createMetrics } from '../metrics.ts'
import type { RoleContext } from './role.ts'
import { startSpans } from './start-spans.ts'

/**
 * The servers among the programs, and the migration: what needs the configuration, the logger and metrics. They are apart from
 * `main.ts`, because an agent that is started there would pay for loading all of it: 0.2 s of processor time and 26 MB.
 */

export type ServerRole = keyof typeof servers

/** Each role loads only what it needs: the webhook neither the database client nor LiveKit's SDK. */
const servers = {
  api: async () => (await import('./api-role.ts')).startApi,
  controller: async () => (await import('./controller-role.ts')).startController,
  webhook: async () => (await import('./webhook-role.ts')).startWebhook,
}

async function serve(role: ServerRole, context: RoleContext): Promise<void> {
  // Each role gets the configuration of its own schema; the compiler cannot follow that through the union.
  const start = (await servers[role]()) as (config: unknown, context: RoleContext) => Promise<void>
  await start(loadConfig(role), context)
}

/** Roles in one process. Resolves when all are started; they stop at SIGTERM. */
export async function runServers(wanted: readonly ServerRole[]): Promise<void> {
  const config = loadConfig(wanted[0] as ServerRole)
  const { HOSTNAME, GREENROOM_LOG_LEVEL } = config
  const instance = `${HOSTNAME}-${randomBytes(4).toString('hex')}`
  const logger = createLogger({ level: GREENROOM_LOG_LEVEL, role: wanted.join('+'), instance })
  const lifecycle = createLifecycle(logger)
  const stop = (why: string) => {
    logger.info({ why }, 'stopping')
    void lifecycle.stop().then(() => {
      logger.info('stopped')
      process.exit(process.exitCode ?? 0)
    })
  }
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop(signal))
  process.on('unhandledRejection', (error) => {
    // Our mistake left something half-done, so a new process is the safe state.
    logger.fatal({ err: error }, 'unhandled rejection')
    process.exitCode = 1
    stop('unhandled rejection')
  })
  const metrics = createMetrics()
  await startSpans(config, { service: `greenroom-${wanted.join('-')}`, instance, lifecycle, logger, metrics })
  const { createOpsServer } = await import('./ops-server.ts')
  const ops = createOpsServer({ lifecycle, logger, metrics })
  for (const role of wanted) await serve(role, { lifecycle, logger, metrics, ops, instance })
  logger.info({ roles: wanted, startMs: Math.round(performance.now()) }, 'started')
}

export async function runMigrate(): Promise<void> {
  const { migrate } = await import('../stores/postgres-migrate.ts')
  const config = loadConfig('migrate')
  const logger = createLogger({
    level: config.GREENROOM_LOG_LEVEL,
    role: 'migrate',
    instance: config.HOSTNAME,
  })
  const { url, role } = migrateAccess(config)
  const applied = await migrate(url, logger, { role })
  logger.info({ applied }, applied.length === 0 ? 'the schema is up to date' : 'migrations applied')
}
