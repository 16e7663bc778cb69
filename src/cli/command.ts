import { endQuietlyOnClosedPipe } from './line/closed-pipe.ts'
import { commandHelp } from './line/command-help.ts'
import type { CommandNode } from './line/command-spec.ts'
import { exitCodeOf, isRefusal, refusalText } from './line/exit-code.ts'
import { asksForHelp, findNode, readArguments } from './line/read-command-line.ts'

/** A command: what it does, and how its program is loaded. `greenroom --help` lists the summaries without loading one. */
export interface Command {
  readonly summary: string
  readonly load: () => Promise<CommandProgram>
}

export type Commands = Readonly<Record<string, Command>>

/** What a command's file exports: its declaration, or a program that reads its arguments itself. */
export type CommandProgram = CommandNode | OwnProgram

interface OwnProgram {
  readonly kind?: undefined
  /** Printed for `--help`, and after what is wrong with the arguments. */
  readonly usage: string
  /** A number is the exit code; without one it is 0. */
  readonly run: (args: readonly string[]) => Promise<number | void>
}

/** Loads the program of one command and runs it; for `--help` it only prints how it is used. Resolves with the exit code. */
export async function runCommand(name: string, command: Command, args: readonly string[]): Promise<number> {
  endQuietlyOnClosedPipe()
  try {
    return (await runLoaded(name, await command.load(), args)) ?? 0
  } catch (error) {
    if (!isRefusal(error)) throw error
    process.stderr.write(refusalText(error))
    return exitCodeOf(error)
  }
}

async function runLoaded(
  name: string,
  program: CommandProgram,
  args: readonly string[],
): Promise<number | void> {
  if (program.kind === undefined) {
    if (!asksForHelp(args)) return program.run(args)
    process.stdout.write(`${program.usage}\n`)
    return 0
  }
  const { path, node, args: own } = findNode([name], program, args)
  if (node.kind === 'action' && !asksForHelp(own)) return node.run(readArguments(path, node, own))
  process.stdout.write(`${commandHelp(path, node, process.stdout)}\n`)
  return 0
}
