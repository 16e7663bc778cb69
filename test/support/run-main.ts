import { type ProgramOutcome, runProgram } from './run-program.ts'

/** Runs `src/main.ts`, the entry point of every process of Greenroom. */
export function runMain(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>> = {},
  input = '',
): Promise<ProgramOutcome> {
  return runProgram('src/main.ts', args, { env, input })
}
