#!/usr/bin/env node
import { agentCommands } from './agent-commands.ts'
import { type Commands, runCommand } from './command.ts'
import { endQuietlyOnClosedPipe } from './line/closed-pipe.ts'
import { exitCodeTable, listed } from './line/command-help.ts'
import { exitCode, isRefusal, refusalText } from './line/exit-code.ts'
import { isCompleter, programName } from './line/program-name.ts'
import { unknownWord } from './line/read-command-line.ts'
import { operatorCommands } from './operator-commands.ts'
import { ownCommands } from './own-commands.ts'
import { serverCommands } from './server-commands.ts'

/**
 * The program `greenroom`: the commands that people type. Each is loaded when it is wanted, so that `--help` is quick. It is
 * the plug-in `kubectl greenroom` as well, under the name kubectl-greenroom, and completes its own words under the name that
 * kubectl looks for.
 */

const groups: readonly { readonly title: string; readonly commands: Commands }[] = [
  { title: 'See and steer, through the session server:', commands: serverCommands },
  { title: 'For those who run Greenroom, with its cluster and stores:', commands: operatorCommands },
  { title: 'For those who write agents:', commands: agentCommands },
  { title: 'Of the program itself:', commands: ownCommands },
]

const commands: Commands = Object.assign({}, ...groups.map((group) => group.commands))

function help(): string {
  const width = Math.max(40, Math.min(process.stdout.columns ?? 100, 100))
  const program = programName()
  return `${[
    'Warm AI-agent pods for Kubernetes: see what there is, and steer it.',
    `Usage: ${program} COMMAND [ARGUMENTS]`,
    ...groups
      .filter((group) => Object.keys(group.commands).length > 0)
      .map(({ title, commands: ofGroup }) =>
        listed(
          title,
          Object.entries(ofGroup).map(([name, { summary: text }]) => ({ name, text })),
          width,
        ),
      ),
    exitCodeTable(width),
    `Examples:\n${[
      '  # What needs attention',
      `  ${program} status`,
      '  # The pools, as they change',
      `  ${program} pools list --watch`,
      '  # More about one command',
      `  ${program} pools set --help`,
    ].join('\n')}`,
  ].join('\n\n')}\n`
}

async function main([name, ...args]: readonly string[]): Promise<number> {
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    const [wanted] = args
    if (name === 'help' && wanted !== undefined) return main([...args, '--help'])
    process.stdout.write(help())
    return name === undefined ? exitCode.usage : exitCode.done
  }
  if (name === '__complete') {
    const { completeWords } = await import('./complete-words.ts')
    process.stdout.write(`${await completeWords(commands, args)}\n`)
    return exitCode.done
  }
  if (name === '--version' || name === '-V') return main(['version', ...args])
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (command) return runCommand(name, command, args)
  throw unknownWord(`command "${name.slice(0, 80)}"`, name, Object.keys(commands))
}

endQuietlyOnClosedPipe()
try {
  const words = process.argv.slice(2)
  process.exitCode = await main(isCompleter() ? ['__complete', ...words] : words)
} catch (error) {
  if (isRefusal(error)) {
    process.stderr.write(refusalText(error))
    process.exitCode = exitCode.usage
  } else {
    process.stderr.write(`GRN_INTERNAL: ${error instanceof Error ? error.stack : String(error)}\n`)
    process.exitCode = exitCode.unreachable
  }
}
