import { type ChildProcess, spawn } from 'node:child_process'

/** So much of an agent's output is searched: the first of it. An agent that logs more than this in a minute is broken. */
const mostOutputBytes = 16 * 1024 * 1024

export interface AgentExit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /** Why it could not be started. */
  readonly problem?: string
}

/** An agent as a process of this machine. */
export interface AgentProcess {
  readonly exited: Promise<AgentExit>
  hasExited(): boolean
  /** To the process itself, as a kubelet does it: a shell around it has to pass it on. */
  signal(name: NodeJS.Signals): void
  /** Standard output and error so far. */
  output(): string
  /** Ends it and all that it started. */
  kill(): Promise<void>
}

/** Left behind by nothing: what still runs is killed when this process ends. */
const running = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of running) killGroup(child)
})

export function startAgentProcess(
  command: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): AgentProcess {
  const [program = '', ...args] = command
  const child = spawn(program, args, { env: { ...env }, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
  running.add(child)
  const chunks: Buffer[] = []
  let bytes = 0
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes <= mostOutputBytes) chunks.push(chunk)
    })
  }
  let over = false
  const exited = new Promise<AgentExit>((resolve) => {
    const end = (exit: AgentExit) => {
      over = true
      running.delete(child)
      resolve(exit)
    }
    child.once('error', ({ message }) => end({ code: null, signal: null, problem: message }))
    // "close" comes after the last of the output, but a child of the agent may hold it open.
    child.once('exit', (code, signal) => setImmediate(() => end({ code, signal })))
  })
  return {
    exited,
    hasExited: () => over,
    signal: (name) => {
      if (!over) child.kill(name)
    },
    output: () => Buffer.concat(chunks).toString(),
    async kill() {
      killGroup(child)
      await exited
    },
  }
}

function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // The group has ended.
  }
}

/** "exit code 0", "killed by SIGKILL". */
export function exitInWords({ code, signal, problem }: AgentExit): string {
  return problem ?? (signal ? `killed by ${signal}` : `exit code ${code}`)
}
