import { spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { constants } from 'node:os'
import { endedAlready, endWithMe } from '../processes/death-watch.ts'
import { type Pace, setPace } from '../processes/process-pace.ts'
import type { SystemUser } from '../processes/system-user.ts'

export interface ContainerProcess {
  readonly pid: number
  /** As a container runtime reports it: 128 + number for a signal, 128 if it could not be started. */
  readonly exited: Promise<ContainerExit>
  /** To the whole process group; nothing happens if it has ended. */
  signal(name: NodeJS.Signals): void
  /** `starting` from the beginning. */
  pace(pace: Pace): void
}

export interface ContainerExit {
  readonly exitCode: number
  readonly reason: 'Completed' | 'Error' | 'StartError'
  readonly message?: string
}

interface ContainerProcessOptions {
  readonly command: readonly string[]
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
  readonly user: SystemUser | undefined
  readonly logPath: string
}

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
  // An error can also come after the start, when a signal cannot be sent. Then an exit follows.
  child.on('error', ({ message }) => resolve({ exitCode: 128, reason: 'StartError', message }))
  const { pid } = child
  if (pid === undefined) return { pid: 0, exited, signal: () => undefined, pace: () => undefined }
  endWithMe(pid)
  setPace(pid, 'starting')
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
    pace: (pace) => {
      if (running) setPace(pid, pace)
    },
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
