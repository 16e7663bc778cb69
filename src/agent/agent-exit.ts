import { type AgentLog, errorKeys } from './agent-log.ts'

interface AgentExitOptions {
  readonly graceMs: number
  /** Finishes requests in flight and lets go of everything. */
  readonly close: () => Promise<void>
  readonly exit: (code: number) => void
  readonly log: AgentLog
}

/** The way out of the process: hooks first, then requests in flight, then exit, all within the grace period. */
export interface AgentExit {
  /**
   * Leaves after this hook. A second call (SIGTERM while the session ends, /end while draining) adds its hook to the
   * same departure. Exit code 0; 1 when a hook failed or the grace period ran out.
   */
  after(hook: () => void | Promise<void>): void
}

export function createAgentExit({ graceMs, close, exit, log }: AgentExitOptions): AgentExit {
  let hooks: Promise<void> = Promise.resolve()
  let leaving = false
  let code = 0

  async function leave(): Promise<void> {
    const overdue = setTimeout(() => {
      log('error', 'grace period ran out', { graceMs })
      exit(1)
    }, graceMs)
    let seen: Promise<void>
    do {
      seen = hooks
      await seen
    } while (seen !== hooks)
    await close()
    clearTimeout(overdue)
    exit(code)
  }

  return {
    after(hook) {
      hooks = hooks.then(hook).catch((error: unknown) => {
        code = 1
        log('error', 'hook failed', errorKeys(error))
      })
      if (leaving) return
      leaving = true
      void leave()
    },
  }
}
