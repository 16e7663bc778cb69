import { pause } from '../../src/timing/pause.ts'
import { type Program, startProgram } from '../processes/start-program.ts'
import { root } from '../repository.ts'
import { compileCacheFolder } from '../set-up/cache-folder.ts'

/** One of Greenroom's own processes in the bed, started again when it dies, as Kubernetes would. */
export interface RoleProcess {
  readonly name: string
  readonly logPath: string
  /** Of the process that runs now, or ran last. */
  pid(): number
  /** False from its death until it is started again. */
  isRunning(): boolean
  /** Ends it with this signal; resolves when it has been started again, after the back-off. */
  restart(signal?: NodeJS.Signals): Promise<void>
  stop(): Promise<void>
}

interface RoleOptions {
  readonly name: string
  /** `api`, `controller`, `webhook`. */
  readonly role: string
  readonly env: Readonly<Record<string, string>>
  readonly logPath: string
  /** For Node itself, before the program. */
  readonly nodeArgs?: readonly string[]
  /** Called with the new pid after each start, when the process before it is gone. */
  readonly onStart?: (pid: number) => void
}

/** Kubernetes waits 10 s before the first restart. One second is enough for a fault to show. */
const restartAfterMs = 1_000
/** Longer than any role drains in the bed. */
const stopTimeoutMs = 12_000

export async function startRole(options: RoleOptions): Promise<RoleProcess> {
  const start = () =>
    startProgram({
      command: process.execPath,
      args: ['--max-semi-space-size=4', ...(options.nodeArgs ?? []), 'src/main.ts', options.role],
      cwd: root,
      env: {
        NODE_COMPILE_CACHE: compileCacheFolder(),
        ...options.env,
        PATH: process.env.PATH,
        HOSTNAME: options.name,
      },
      logPath: options.logPath,
    })
  const stopping = new AbortController()
  let startedAgain = Promise.withResolvers<void>()
  let program: Program = await start()
  options.onStart?.(program.pid)
  const watching = keepRunning()

  async function keepRunning(): Promise<void> {
    while (!stopping.signal.aborted) {
      await program.ended
      if (stopping.signal.aborted) return
      await pause(restartAfterMs, stopping.signal)
      if (stopping.signal.aborted) return
      program = await start()
      options.onStart?.(program.pid)
      startedAgain.resolve()
      startedAgain = Promise.withResolvers()
    }
  }

  return {
    name: options.name,
    logPath: options.logPath,
    pid: () => program.pid,
    isRunning: () => program.isRunning(),
    async restart(signal = 'SIGTERM') {
      const again = startedAgain.promise
      await program.stop(signal, stopTimeoutMs)
      await again
    },
    async stop() {
      stopping.abort()
      startedAgain.resolve()
      await program.stop('SIGTERM', stopTimeoutMs)
      await watching
    },
  }
}
