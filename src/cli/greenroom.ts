#!/usr/bin/env node
import { GreenroomError } from '../errors.ts'
import { agentCommands } from './agent-commands.ts'
import { type Commands, runCommand } from './command.ts'
import { operatorCommands } from './operator-commands.ts'

/** The program `greenroom`: the commands that people type. Each is loaded when it is wanted, so that `--help` is quick. */

const groups: readonly { readonly title: string; readonly commands: Commands }[] = [
  { title: 'For those who write agents:', commands: agentCommands },
  { title: 'For those who run Greenroom:', commands: operatorCommands },
]

const commands: Commands = Object.assign({}, ...groups.map((group) => group.commands))

/** The arguments are wrong, or the work could not be done. 1 is kept for "done, and something is wrong". */
const notDoneCode = 2

function help(): string {
  const width = Math.max(...Object.keys(commands).map(({ length }) => length))
  const listed = groups
    .filter((group) => Object.keys(group.commands).length > 0)
    .map(({ title, commands: ofGroup }) =>
      [
        title,
        ...Object.entries(ofGroup).map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}`),
      ].join('\n'),
    )
  return `${[
    'Usage: greenroom COMMAND [ARGUMENTS]',
    ...listed,
    '"greenroom COMMAND --help" says more about one.\nExit code: 0 all is well; 1 something was found; 2 it could not be done, or the arguments are wrong.',
  ].join('\n\n')}\n`
}

async function main([name, ...args]: readonly string[]): Promise<number> {
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    process.stdout.write(help())
    return name === undefined ? notDoneCode : 0
  }
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (command) return runCommand(command, args)
  process.stderr.write(`greenroom: there is no command "${name}".\n\n${help()}`)
  return notDoneCode
}

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  const message =
    error instanceof GreenroomError
      ? `${error.code}: ${error.message} ${error.remedy}`
      : `GRN_INTERNAL: ${error instanceof Error ? error.stack : String(error)}`
  process.stderr.write(`${message}\n`)
  process.exitCode = notDoneCode
}
