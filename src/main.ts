import { randomBytes } from 'node:crypto'
import { constants } from 'node:os'
import { agentCommands } from './cli/agent-commands.ts'
import { runCommand } from './cli/command.ts'
import { operatorCommands } from './cli/operator-commands.ts'
import { serverCommands } from './cli/server-commands.ts'
import { loadConfig, migrateAccess } from './config.ts'
import { GreenroomError } from './errors.ts'
import { createLifecycle } from './lifecycle.ts'
import { createLogger } from './logging.ts'
import { createMetrics } from './metrics.ts'
import type { RoleContext } from './roles/role.ts'
import { startSpans } from './roles/start-spans.ts'

/**
 * `node src/main.ts ROLE…` or `node src/main.ts COMMAND`: the entry point of every process. Several roles may share one
 * process; each reads its own part of the environment. A command does its work and ends.
 */

type ServerRole = keyof typeof servers

/** Each role loads only what it needs: the webhook neither the database client nor LiveKit's SDK. */
const servers = {
  api: async () => (await import('./roles/api-role.ts')).startApi,
  controller: async () => (await import('./roles/controller-role.ts')).startController,
  webhook: async () => (await import('./roles/webhook-role.ts')).startWebhook,
}

/** Agents that come with the image: `node src/main.ts agent NAME`. */
const agents: Readonly<Record<string, () => Promise<void>>> = {
  echo: async () => (await import('./agent/echo-agent.ts')).startEchoAgent(),
}

/** Each command loads only what it needs. A number is the exit code; without one it is 0. */
const commands: Readonly<Record<string, (args: readonly string[]) => Promise<number | void>>> = {
  migrate: runMigrate,
  ...Object.fromEntries(
    Object.entries({ ...serverCommands, ...operatorCommands, ...agentCommands }).map(([name, command]) => [
      name,
      (args: readonly string[]) => runCommand(name, command, args),
    ]),
  ),
  agent: runAgent,
  'compile-cache': async (args) => (await import('./cli/compile-cache.ts')).fillCompileCache(args),
}

const serverNames = Object.keys(servers)
const usage = `Usage: node src/main.ts ${[...serverNames, ...Object.keys(commands)].join('|')} (${serverNames.join(', ')} may be combined).`

async function serve(role: ServerRole, context: RoleContext): Promise<void> {
  // Each role gets the configuration of its own schema; the compiler cannot follow that through the union.
  const start = (await servers[role]()) as (config: unknown, context: RoleContext) => Promise<void>
  await start(loadConfig(role), context)
}

async function runServers(wanted: readonly ServerRole[]): Promise<void> {
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
  const { createOpsServer } = await import('./roles/ops-server.ts')
  const ops = createOpsServer({ lifecycle, logger, metrics })
  for (const role of wanted) await serve(role, { lifecycle, logger, metrics, ops, instance })
  logger.info({ roles: wanted, startMs: Math.round(performance.now()) }, 'started')
}

async function runAgent([name = '']: readonly string[]): Promise<void> {
  const start = Object.hasOwn(agents, name) ? agents[name] : undefined
  if (!start) {
    throw new GreenroomError(
      'GRN_INVALID_CONFIG',
      `Usage: node src/main.ts agent ${Object.keys(agents).join('|')}.`,
    )
  }
  await start()
}

/**
 * Linux gives the first process of a container no default for signals, so without this a SIGTERM during a start or a command
 * would do nothing until SIGKILL. Roles and agents end in order: as soon as they listen, this leaves the signal to them.
 */
function endOnSignals(): void {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (process.listenerCount(signal) === 1) process.exit(128 + constants.signals[signal])
    })
  }
}

async function runMigrate(): Promise<void> {
  const { migrate } = await import('./stores/postgres-migrate.ts')
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

async function main(argv: readonly string[]): Promise<void> {
  const [name = '', ...args] = argv
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (command) {
    process.exitCode = (await command(args)) ?? 0
    return
  }
  const wanted = argv.filter((word): word is ServerRole => Object.hasOwn(servers, word))
  if (wanted.length === 0 || wanted.length !== argv.length)
    throw new GreenroomError('GRN_INVALID_CONFIG', usage)
  return runServers(wanted)
}

if (process.pid === 1) endOnSignals()
try {
  await main(process.argv.slice(2))
} catch (error) {
  const message =
    error instanceof GreenroomError
      ? `${error.code}: ${error.message} ${error.remedy}`
      : `GRN_INTERNAL: ${error instanceof Error ? error.stack : String(error)}`
  process.stderr.write(`${message}\n`)
  process.exit(1)
}
