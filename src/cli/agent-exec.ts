import { type ChildProcess, spawn } from 'node:child_process'
import { createAgentLog } from '../agent/agent-log.ts'
import type { AgentSession } from '../agent/agent-session.ts'
import { serve } from '../agent/serve.ts'
import { agentIdentity } from '../domain/names.ts'
import { action } from './line/command-spec.ts'
import { wrongArguments } from './line/wrong-arguments.ts'

/** From SIGTERM to SIGKILL of the command. Within the agent's own 25 s, so that its exit is still reported. */
const defaultGraceMs = 20_000

/** For what comes after the command's end: connections, logs, the exit. */
const reportMs = 5_000

/** Variables of ours that say nothing to the command, or would let it take assignments itself. */
const ownVariable = /^GREENROOM_(ASSIGN_KEYS|EXEC_)/

/** Linux starts no program with a longer one (MAX_ARG_STRLEN, with its closing zero); metadata may have 256 KiB. */
const longestVariableBytes = 128 * 1024

/** The command writes a byte there when it is in its room. It need not: the session server sees the join as well. */
const joinedFd = 3

type Env = Readonly<Record<string, string | undefined>>

export const agentExec = action({
  summary: 'Run a program that reads its session from env as an agent',
  about: `It waits for the assignment of this pod, then starts COMMAND with its session in the environment: SESSION_ID, SESSION_METADATA (JSON), AGENT_TYPE, ROOM_NAME, PARTICIPANT_IDENTITY, LIVEKIT_URL and LIVEKIT_TOKEN. The lease is kept while the command runs, and the session ends with it. The command's output passes through.
GREENROOM_EXEC_SECRETS=A,B names the just-in-time secrets of the caller that the command gets, none by default. GREENROOM_EXEC_GRACE_SECONDS=20 is the time from SIGTERM to SIGKILL of the command.`,
  options: {},
  tail: 'COMMAND [ARGUMENTS]',
  exits: { 1: 'the agent cannot start' },
  examples: [{ line: 'greenroom agent-exec -- python agent.py', does: 'As the command of a pool' }],
  async run({ tail: [command, ...args] }) {
    if (command === undefined) throw wrongArguments('There is no COMMAND after --.')
    return runAgentExec(command, args)
  },
})

/** Resolves when the agent serves or cannot start. Afterwards the process exits by itself when the session is over. */
async function runAgentExec(command: string, args: readonly string[]): Promise<number> {
  const { env } = process
  const graceMs = Number(env.GREENROOM_EXEC_GRACE_SECONDS || defaultGraceMs / 1_000) * 1_000
  try {
    await serve({
      env,
      graceMs: graceMs + reportMs,
      onAssign: (agent) => runCommand(agent, { command, args, env, graceMs }),
    })
    return 0
  } catch (error) {
    createAgentLog({})('error', 'cannot start', { reason: String(error) })
    return 1
  }
}

interface Run {
  readonly command: string
  readonly args: readonly string[]
  readonly env: Env
  readonly graceMs: number
}

/** Resolves when the command has started. @throws Error when it cannot be started: then the pod is not used */
async function runCommand(agent: AgentSession, run: Run): Promise<void> {
  const child = spawn(run.command, run.args, {
    env: {
      ...withoutOwn(run.env),
      ...fitting(sessionEnv(agent, run.env), agent.log),
      GREENROOM_JOINED_FD: String(joinedFd),
    },
    stdio: ['ignore', 'inherit', 'inherit', 'pipe'],
  })
  const exited = exitOf(child)
  await started(child)
  child.stdio[joinedFd]?.once('data', () => agent.joined())
  forwardSignals(child, agent.signal)
  agent.beforeExit(() => stop(child, exited, run.graceMs))
  void exited.then((exit) => reportExit(agent, exit))
}

/** What the command is told of its session. The LiveKit API secret is never among it: Greenroom keeps that. */
export function sessionEnv(agent: AgentSession, env: Env): Record<string, string> {
  const { session, livekit } = agent
  const access = livekit.access()
  return {
    // First, so that no secret of the caller takes the place of what follows.
    ...allowedSecrets(agent, env),
    SESSION_ID: session.id,
    SESSION_METADATA: JSON.stringify(session.metadata),
    AGENT_TYPE: session.agentType,
    ROOM_NAME: session.room,
    PARTICIPANT_IDENTITY: agentIdentity(session.id, session.epoch),
    ...(access && { LIVEKIT_URL: access.url, LIVEKIT_TOKEN: access.token, ROOM_NAME: access.room }),
  }
}

/**
 * The just-in-time secrets that the pod's template lets into the command's environment. A caller chooses the names of its
 * secrets, and some names change what a program does: `NODE_OPTIONS` runs code, `OPENAI_BASE_URL` sends the pod's own
 * key elsewhere.
 */
function allowedSecrets({ secrets, log }: AgentSession, env: Env): Record<string, string> {
  const allowed = new Set((env.GREENROOM_EXEC_SECRETS ?? '').split(',').map((name) => name.trim()))
  const left = Object.keys(secrets).filter((name) => !allowed.has(name))
  if (left.length > 0)
    log('warn', 'secrets not passed on', { count: left.length, allow: 'GREENROOM_EXEC_SECRETS' })
  return Object.fromEntries(Object.entries(secrets).filter(([name]) => allowed.has(name)))
}

/** A variable that is too long would keep the command from starting, so the command does without it. */
function fitting(env: Record<string, string>, log: AgentSession['log']): Record<string, string> {
  const isLong = ([name, value]: readonly [string, string]) =>
    Buffer.byteLength(`${name}=${value}`) >= longestVariableBytes
  const long = Object.entries(env).filter(isLong)
  if (long.length > 0)
    log('warn', 'variables too long to pass on', { names: long.map(([name]) => name), longestVariableBytes })
  return Object.fromEntries(Object.entries(env).filter((variable) => !isLong(variable)))
}

function withoutOwn(env: Env): Record<string, string> {
  const passed = Object.entries(env).filter(([name, value]) => value !== undefined && !ownVariable.test(name))
  return Object.fromEntries(passed) as Record<string, string>
}

function started(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once('spawn', resolve)
    // The system's message names the command, which is in the pod's template; nothing secret.
    child.once('error', (error: NodeJS.ErrnoException) =>
      reject(new Error(`the command cannot be started: ${error.code}`)),
    )
  })
}

interface CommandExit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

function exitOf(child: ChildProcess): Promise<CommandExit> {
  return new Promise((resolve) => child.once('exit', (code, signal) => resolve({ code, signal })))
}

/** SIGTERM is not among them: the SDK takes it, ends the session for this pod, and then the command gets it. */
const forwarded: readonly NodeJS.Signals[] = ['SIGINT', 'SIGHUP', 'SIGUSR2', 'SIGWINCH']

function forwardSignals(child: ChildProcess, signal: AbortSignal): void {
  for (const name of forwarded) {
    const forward = (): void => void child.kill(name)
    process.on(name, forward)
    child.once('exit', () => process.off(name, forward))
  }
  // At once, and not only when it is the turn of the hooks before the exit.
  signal.addEventListener('abort', () => child.kill('SIGTERM'), { once: true })
}

async function stop(child: ChildProcess, exited: Promise<CommandExit>, graceMs: number): Promise<void> {
  const overdue = setTimeout(() => child.kill('SIGKILL'), graceMs)
  await exited
  clearTimeout(overdue)
}

/** The session ends with the command. Whoever reads the session sees how the command ended in `endDetail`. */
async function reportExit(agent: AgentSession, { code, signal }: CommandExit): Promise<void> {
  const ended = signal ? `signal ${signal}` : `code ${code}`
  agent.log(code === 0 ? 'info' : 'warn', 'command exited', { code, signal })
  // The session was over before; the command was told to go.
  if (agent.signal.aborted) return
  try {
    await agent.finish(`command exited with ${ended}`)
  } catch (error) {
    // Without the session server the lease lapses, or the pod's own end tells: SIGTERM comes then.
    agent.log('warn', 'exit not reported', { reason: error instanceof Error ? error.message : 'unknown' })
    process.kill(process.pid, 'SIGTERM')
  }
}
