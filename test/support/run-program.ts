import { spawn } from 'node:child_process'
import { root } from '../../bed/repository.ts'

export interface ProgramOutcome {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

interface ProgramOptions {
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly input?: string
}

/**
 * Runs a program of the repository with this environment and input: neither the machine's nor what the test runner puts
 * into NODE_OPTIONS, but with the compile cache of the run.
 */
export async function runProgram(
  program: string,
  args: readonly string[],
  { env = {}, input = '' }: ProgramOptions = {},
): Promise<ProgramOutcome> {
  const child = spawn('/usr/bin/env', ['-u', 'NODE_OPTIONS', process.execPath, program, ...args], {
    cwd: root,
    env: { NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE, ...env },
  })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  child.stdin.end(input)
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  return { code, stdout, stderr }
}
