import { randomInt, randomUUID } from 'node:crypto'
import { rmSync } from 'node:fs'
import { connect } from 'node:net'
import { agentEnv } from '../../domain/names.ts'
import { exitInWords, startAgentProcess } from './agent-process.ts'
import { callAgent, inWords } from './contract-call.ts'
import { NotTried, RuleBroken } from './contract-rule.ts'
import { readOnlyStart } from './read-only-start.ts'
import { type CheckRun, createTrial, type Trial } from './trial.ts'

/** Between two questions whether the agent is ready; small beside the start of the quickest agent (60 ms). */
const pollMs = 10
/** For an agent that is no longer needed, so that what it holds back of its output is written. Then it is killed. */
const leaveMs = 1_000

export interface LaunchOptions {
  readonly command: readonly string[]
  /** Of this process: an agent may need keys of its own. */
  readonly env: Readonly<Record<string, string | undefined>>
  readonly port: number
}

/** Starts agents, each on a loopback address of its own, and ends them. */
export interface AgentLauncher {
  /** Resolves when it is ready. @throws RuleBroken if it does not come so far; NotTried */
  launch(options?: { readOnlyRoot?: true | undefined }): Promise<Trial>
  /** Lets it go. */
  dismiss(trial: Trial): Promise<void>
  /** Of all agents so far. */
  outputs(): readonly string[]
  /** Removes what agents wrote to their temporary folders. */
  close(): void
}

export function createAgentLauncher(run: CheckRun, { command, env, port }: LaunchOptions): AgentLauncher {
  const addresses = loopbackAddresses()
  const started: Trial[] = []
  const folders: string[] = []

  return {
    async launch({ readOnlyRoot } = {}) {
      const readOnly = readOnlyRoot ? readOnlyStart(command) : undefined
      if (readOnly && 'problem' in readOnly) throw new NotTried(readOnly.problem)
      if (readOnly) folders.push(readOnly.folder)
      const address = addresses.next()
      const podUid = randomUUID()
      const startedAt = performance.now()
      const process = startAgentProcess(readOnly?.command ?? command, {
        ...withoutServersSecrets(env),
        // Python holds its output back when no terminal reads it.
        PYTHONUNBUFFERED: '1',
        ...readOnly?.env,
        [agentEnv.podUid]: podUid,
        [agentEnv.podName]: `${run.agentType}-check-${podUid.slice(0, 8)}`,
        [agentEnv.podIp]: address,
        [agentEnv.agentType]: run.agentType,
        [agentEnv.assignKeys]: JSON.stringify({
          keys: [run.keys.newest.publicJwk, run.keys.older.publicJwk],
        }),
        GREENROOM_LISTEN_ADDRESS: address,
      })
      const trial = createTrial({ run, podUid, address, port, process, startedAt })
      started.push(trial)
      await untilReady(trial)
      return trial
    },
    async dismiss(trial) {
      trial.process.signal('SIGTERM')
      const timer = setTimeout(() => void trial.process.kill(), leaveMs)
      await trial.process.exited
      clearTimeout(timer)
      // What it started itself.
      await trial.process.kill()
    },
    outputs: () => started.map(({ process }) => process.output()),
    close: () => {
      for (const folder of folders) rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** Session server's and LiveKit's: an agent never has them in a pod, so it must not work here because of them. */
function withoutServersSecrets(env: LaunchOptions['env']): LaunchOptions['env'] {
  return Object.fromEntries(
    Object.entries(env).filter(
      ([name]) => !name.startsWith('GREENROOM_') && !name.startsWith('LIVEKIT_API_'),
    ),
  )
}

async function untilReady(trial: Trial): Promise<void> {
  const { run, address, port, process, startedAt } = trial
  const { startMs, answerMs } = run.limits
  const ask = { host: address, port, method: 'GET', path: '/ready', timeoutMs: answerMs } as const
  for (;;) {
    const answer = await callAgent(ask)
    const tookMs = performance.now() - startedAt
    if (answer.status === 200) {
      trial.startMs = tookMs
      return
    }
    if (process.hasExited()) {
      const [exit, lines] = [await process.exited, process.output().trim().split('\n')]
      throw new RuleBroken(
        `ended before it was ready: ${exitInWords(exit)}. Its last line: ${lines.at(-1) || 'none'}`,
      )
    }
    if (tookMs > startMs) {
      await process.kill()
      throw new RuleBroken(
        `not ready within ${startMs / 1_000} s: GET http://${address}:${port}/ready ${inWords(answer)}`,
      )
    }
    await new Promise((resolve) => setTimeout(resolve, pollMs))
  }
}

/** On Linux every 127.x.y.z is this machine; elsewhere only 127.0.0.1 is, so agents run one after the other there. */
function loopbackAddresses(): { next(): string } {
  if (process.platform !== 'linux') return { next: () => '127.0.0.1' }
  // At random, so that two checks of one machine do not meet.
  const range = `127.${randomInt(16, 250)}.${randomInt(1, 255)}`
  let last = 0
  return {
    next: () => {
      last = (last % 250) + 1
      return `${range}.${last}`
    },
  }
}

/** An agent that listens on all addresses leaves none for a second one. */
export function listensEverywhere({ port }: Trial): Promise<boolean> {
  if (process.platform !== 'linux') return Promise.resolve(true)
  return new Promise((resolve) => {
    // Nobody is given this one.
    const socket = connect(port, '127.255.255.253')
    const end = (answer: boolean) => {
      socket.destroy()
      resolve(answer)
    }
    socket.on('connect', () => end(true))
    socket.on('error', () => end(false))
  })
}
