import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { root } from '../../bed/repository.ts'

export interface MainOutcome {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/**
 * Runs `src/main.ts` with this environment and input: neither the machine's nor what the test runner puts into
 * NODE_OPTIONS, but with the compile cache of the run.
 */
export async function runMain(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>> = {},
  input = '',
): Promise<MainOutcome> {
  const child = spawn(
    '/usr/bin/env',
    ['-u', 'NODE_OPTIONS', process.execPath, join(root, 'src/main.ts'), ...args],
    { env: { NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE, ...env } },
  )
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
