import { constants } from 'node:os'
import { agentCommands } from './cli/agent-commands.ts'
import { runCommand } from './cli/command.ts'
import { operatorCommands } from './cli/operator-commands.ts'
import { serverCommands } from './cli/server-commands.ts'
import { GreenroomError } from './errors.ts'
import type { ServerRole } from './roles/run-servers.ts'

/**
 * `node src/main.ts ROLE…` or `node src/main.ts COMMAND`: the entry point of every process. Several roles may share one
 * process; each reads its own part of the environment. A command does its work and ends.
 */

/** Kept here as names: what a server needs is loaded when one is wanted, and not for an agent. */
const serverNames: readonly ServerRole[] = ['api', 'controller', 'webhook']

/** Agents that come with the image: `node src/main.ts agent NAME`. */
const agents: Readonly<Record<string, () => Promise<void>>> = {
  echo: async () => (await import('./agent/echo-agent.ts')).startEchoAgent(),
}

/** Each command loads only what it needs. A number is the exit code; without one it is 0. */
const commands: Readonly<Record<string, (args: readonly string[]) => Promise<number | void>>> = {
  migrate: async () => (await import('./roles/run-servers.ts')).runMigrate(),
  ...Object.fromEntries(
    Object.entries({ ...serverCommands, ...operatorCommands, ...agentCommands }).map(([name, command]) => [
      name,
      (args: readonly string[]) => runCommand(name, command, args),
    ]),
  ),
  agent: runAgent,
  'compile-cache': async (args) => (await import('./cli/compile-cache.ts')).fillCompileCache(args),
}

const usage = `Usage: node src/main.ts ${[...serverNames, ...Object.keys(commands)].join('|')} (${serverNames.join(', ')} may be combined).`

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

async function main(argv: readonly string[]): Promise<void> {
  const [name = '', ...args] = argv
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (command) {
    process.exitCode = (await command(args)) ?? 0
    return
  }
  const wanted = argv.filter((word): word is ServerRole => (serverNames as readonly string[]).includes(word))
  if (wanted.length === 0 || wanted.length !== argv.length)
    throw new GreenroomError('GRN_INVALID_CONFIG', usage)
  return (await import('./roles/run-servers.ts')).runServers(wanted)
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
