import { spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { endedAlready, endWithMe } from './death-watch.ts'
import { settledWithin } from './settled-within.ts'

/** A server of the bed. It leads a process group of its own and ends with this process at the latest. */
export interface Program {
  readonly pid: number
  /** Resolves when it has ended, for whatever reason. */
  readonly ended: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>
  isRunning(): boolean
  /** Sends the signal, then SIGKILL to the whole group after `timeoutMs`; resolves when it has ended. */
  stop(signal?: NodeJS.Signals, timeoutMs?: number): Promise<void>
}

interface ProgramOptions {
  readonly command: string
  readonly args: readonly string[]
  readonly cwd?: string
  readonly env?: NodeJS.ProcessEnv
  /** Standard output and error are appended here. */
  readonly logPath: string
  readonly user?: { readonly uid: number; readonly gid: number }
  /** What the death watch sends if this process dies first. */
  readonly deathSignal?: 'KILL' | 'QUIT' | 'TERM'
}

/** Throws if the program cannot be started at all. */
export async function startProgram(options: ProgramOptions): Promise<Program> {
  const log = openSync(options.logPath, 'a')
  const [command = '', ...args] = [...withoutTestRunner(), options.command, ...options.args]
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: options.env ?? process.env,
    stdio: ['ignore', log, log],
    detached: true,
    ...options.user,
  })
  closeSync(log)
  const { pid } = child
  const { promise: ended, resolve } = Promise.withResolvers<Awaited<Program['ended']>>()
  if (pid === undefined) {
    const { promise, reject } = Promise.withResolvers<never>()
    child.once('error', reject)
    return promise
  }
  endWithMe(pid, options.deathSignal)
  let running = true
  child.once('exit', (code, signal) => {
    running = false
    endedAlready(pid)
    resolve({ code, signal })
  })
  return {
    pid,
    ended,
    isRunning: () => running,
    stop: async (signal = 'SIGTERM', timeoutMs = 5_000) => {
      if (running) process.kill(pid, signal)
      if (!(await settledWithin(ended, timeoutMs))) process.kill(-pid, 'SIGKILL')
      await ended
    },
  }
}

/**
 * The command `tap` puts its loaders into NODE_OPTIONS of every process that a test starts, even if it is given another
 * environment. Servers would start a second later and take 250 MB more (measured).
 */
function withoutTestRunner(): readonly string[] {
  return (process.env.NODE_OPTIONS ?? '').includes('tapjs') ||
    process.execArgv.some((arg) => arg.includes('tapjs'))
    ? ['/usr/bin/env', '-u', 'NODE_OPTIONS']
    : []
}

/** Waits until `check` says yes; fails with the end of the log as soon as the program has ended, or when time is up. */
export async function untilReady(
  program: Program,
  check: () => Promise<boolean>,
  { name, logPath, timeoutMs }: { name: string; logPath: string; timeoutMs: number },
): Promise<void> {
  const deadline = performance.now() + timeoutMs
  for (;;) {
    if (program.isRunning() && (await check())) return
    const late = performance.now() > deadline
    if (!program.isRunning() || late) {
      await program.stop('SIGKILL')
      const log = (await readFile(logPath, 'utf8')).slice(-2_000)
      throw new Error(`${name} ${late ? `was not ready within ${timeoutMs} ms` : 'ended at once'}:\n${log}`)
    }
    await settledWithin(program.ended, readyPollMs)
  }
}

/** Redis and PostgreSQL are up within 50 to 200 ms: a longer pause would cost as much as the start. */
const readyPollMs = 10
