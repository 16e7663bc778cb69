import { spawn } from 'node:child_process'
import { closeSync, openSync, writeFileSync } from 'node:fs'
import { constants, setPriority } from 'node:os'
import { endedAlready, endWithMe } from '../death-watch.ts'
import type { SystemUser } from '../other-user.ts'

export interface ContainerProcess {
  readonly pid: number
  /** As a container runtime reports it: 128 + number for a signal, 128 if it could not be started. */
  readonly exited: Promise<ContainerExit>
  /** To the whole process group; nothing happens if it has ended. */
  signal(name: NodeJS.Signals): void
}
export interface ContainerExit {
  readonly exitCode: number
  readonly reason: 'Completed' | 'Error' | 'StartError'
  readonly message?: string
}

export interface ContainerProcessOptions {
  readonly command: readonly string[]
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
  readonly user: SystemUser | undefined
  readonly logPath: string
}

/** What cpu.shares of a 50m request do on a busy node: whoever has work to do comes before an idle agent. */
const niceness = 10

export function startContainerProcess(options: ContainerProcessOptions): ContainerProcess {
  const [program = '', ...args] = options.command
  const log = openSync(options.logPath, 'a')
  const child = spawn(program, args, {
    cwd: options.cwd,
    env: { ...options.env },
    stdio: ['ignore', log, log],
    detached: true,
    ...options.user,
  })
  closeSync(log)
  const { promise: exited, resolve } = Promise.withResolvers<ContainerExit>()
  // It may also fail after the start, when a signal cannot be sent; then there is an exit as well.
  child.on('error', ({ message }) => resolve({ exitCode: 128, reason: 'StartError', message }))
  const { pid } = child
  if (pid === undefined) return { pid: 0, exited, signal: () => undefined }
  endWithMe(pid)
  lowerPriority(pid)
  let running = true
  child.once('exit', (code, signal) => {
    running = false
    // The container ends with its first process.
    signalGroup(pid, 'SIGKILL')
    endedAlready(pid)
    const exitCode = code ?? 128 + (signal ? constants.signals[signal] : 0)
    resolve({ exitCode, reason: exitCode === 0 ? 'Completed' : 'Error' })
  })
  return {
    pid,
    exited,
    signal: (name) => {
      if (running) signalGroup(pid, name)
    },
  }
}

function signalGroup(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(-pid, name)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

function lowerPriority(pid: number): void {
  try {
    setPriority(pid, niceness)
    // With autogroups (desktops, some servers) each session is scheduled as one, and only this counts between them.
    writeFileSync(`/proc/${pid}/autogroup`, String(niceness))
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException & { info?: { code?: string } }
    // No such process any more, no autogroups, no Linux, or the process already belongs to another user.
    if (!['ESRCH', 'ENOENT', 'EACCES', 'EPERM', 'EINVAL', 'ERR_SYSTEM_ERROR'].includes(code ?? ''))
      throw error
  }
}
