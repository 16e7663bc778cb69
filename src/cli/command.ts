/** A command: what it does, and how its program is loaded. `greenroom --help` lists the summaries without loading one. */
export interface Command {
  readonly summary: string
  readonly load: () => Promise<CommandProgram>
}

export type Commands = Readonly<Record<string, Command>>

/** What a command's file exports. */
export interface CommandProgram {
  /** Printed for `--help`, and after what is wrong with the arguments. */
  readonly usage: string
  /** A number is the exit code; without one it is 0. */
  readonly run: (args: readonly string[]) => Promise<number | void>
}

/** `--help` or `-h`, unless it stands behind `--` and belongs to another program. */
export function asksForHelp(args: readonly string[]): boolean {
  const end = args.indexOf('--')
  return (end === -1 ? args : args.slice(0, end)).some((arg) => arg === '--help' || arg === '-h')
}

/** Loads the program of one command and runs it; for `--help` it only prints how it is used. */
export async function runCommand(command: Command, args: readonly string[]): Promise<number> {
  const program = await command.load()
  if (!asksForHelp(args)) return (await program.run(args)) ?? 0
  process.stdout.write(`${program.usage}\n`)
  return 0
}
