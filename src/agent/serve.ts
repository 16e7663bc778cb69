import type { Assignment, EndOrder } from '../domain/assign-contract.ts'
import { agentPort } from '../domain/names.ts'
import type { TraceContext } from '../domain/trace-context.ts'
import { readAgentEnv } from './agent-env.ts'
import { type AgentExit, createAgentExit } from './agent-exit.ts'
import { type AgentRoutes, createAgentHttp } from './agent-http.ts'
import { type AgentLog, createAgentLog, errorKeys } from './agent-log.ts'
import { createAgentMetrics } from './agent-metrics.ts'
import { type AgentSession, createHeldSession, type HeldSession } from './agent-session.ts'
import { startAgentTracing } from './agent-tracing.ts'
import { createAssignVerifier } from './assign-verifier.ts'
import { createAssignmentGate } from './assignment-gate.ts'
import { warmUpAssignments } from './warm-up-assignments.ts'

/** Pods get 30 s between SIGTERM and SIGKILL; the rest is for closing connections and writing logs. */
const defaultGraceMs = 25_000

/** The reason of an end that came by SIGTERM and not by /end. */
const terminating = 'pod:terminating'

export interface ServeOptions {
  /**
   * Called once in the life of the pod. The session server waits for it (1.5 s by default), so work that takes longer
   * is started and not awaited. If it throws, the pod is not used.
   */
  readonly onAssign: (agent: AgentSession) => void | Promise<void>
  /** The session has ended: by /end, by its lease, or because the pod got SIGTERM. Afterwards the process exits. */
  readonly onEnd?: (order: EndOrder) => void | Promise<void>
  /** SIGTERM came. The session goes on until this has finished; then it ends for this pod and the process exits. */
  readonly onDrain?: () => void | Promise<void>
  /** The pod can take an assignment: load here what a session will need. The start of a pod does not wait for it. */
  readonly onReady?: () => void | Promise<void>
  readonly routes?: AgentRoutes
  /** The process's own environment by default. */
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly port?: number
  /** Longest time from the end of the session or SIGTERM to the exit. */
  readonly graceMs?: number
  readonly exit?: (code: number) => void
  readonly log?: AgentLog
}

export interface ServingAgent {
  readonly address: string
  readonly port: number
  /** Stops without running a hook and without exiting. */
  close(): Promise<void>
}

/**
 * A pod's side of the agent contract: one assignment, its lease, its end, and the way out of the process.
 * Resolves when the pod can take an assignment. @throws Error for an unusable environment or address
 */
export async function serve(options: ServeOptions): Promise<ServingAgent> {
  const env = readAgentEnv(options.env ?? process.env)
  const verifier = createAssignVerifier(env.assignKeys, env.podUid)
  const log = options.log ?? createAgentLog({ podName: env.podName, podUid: env.podUid })
  const tracing = await startAgentTracing(options.env ?? process.env, env, log)
  const metrics = createAgentMetrics(env.agentType ?? 'unknown')
  let held: HeldSession | undefined
  let ended = false

  async function take(assignment: Assignment, trace: TraceContext | undefined): Promise<void> {
    const { sessionId, epoch } = assignment
    const onOver = (reason: string): void => endSession({ sessionId, epoch, reason })
    held = createHeldSession({ assignment, trace, metrics, log, onOver })
    await runAssignment(options.onAssign, held)
  }
  const gate = createAssignmentGate(take)

  function endSession(order: EndOrder): void {
    if (ended) return
    ended = true
    gate.leave()
    held?.stop()
    log('info', 'session ended', { ...order })
    exit.after(() => options.onEnd?.(order))
    exit.after(() => held?.runExitHooks())
  }
  async function drain(): Promise<void> {
    await options.onDrain?.()
    if (held) endSession({ sessionId: held.session.id, epoch: held.session.epoch, reason: terminating })
  }
  function onSigterm(): void {
    gate.leave()
    log('info', 'SIGTERM')
    exit.after(drain)
  }
  async function release(): Promise<void> {
    held?.stop()
    await http.close()
    await tracing?.stop()
  }

  const http = createAgentHttp({
    podUid: env.podUid,
    agentType: env.agentType,
    gate,
    metrics,
    routes: options.routes ?? {},
    verify: verifier,
    // Of a repeated assignment only the access to the room is taken: the watchdog sends a fresh token this way.
    onAccepted: ({ livekit }) => held?.livekit.replace(livekit),
    endSession,
    log,
  })
  const exit: AgentExit = createAgentExit({
    graceMs: options.graceMs ?? defaultGraceMs,
    exit: options.exit ?? ((code) => process.exit(code)),
    close: release,
    log,
  })

  process.on('SIGTERM', onSigterm)
  const bound = await http.listen(env.listenAddress, options.port ?? agentPort)
  gate.open()
  // Not performance.now(): to load what it belongs to costs more than the rest of this line.
  log('info', 'listening', { ...bound, startMs: Math.round(process.uptime() * 1_000) })
  const isWanted = () => gate.state() === 'idle'
  void warmUp({ address: bound.address, podUid: env.podUid, metrics, isWanted }, options, log)
  return {
    ...bound,
    async close() {
      process.off('SIGTERM', onSigterm)
      gate.leave()
      await release()
    },
  }
}

async function runAssignment(onAssign: ServeOptions['onAssign'], held: HeldSession): Promise<void> {
  const { session, log } = held
  const keys = { sessionId: session.id, epoch: session.epoch }
  try {
    await onAssign(held)
  } catch (error) {
    held.stop()
    log('error', 'assignment failed', { ...keys, ...errorKeys(error) })
    throw error
  }
  held.start()
  log('info', 'assigned', keys)
}

/** A pod that could not warm up serves as well, only later. */
async function warmUp(
  assignments: Parameters<typeof warmUpAssignments>[0],
  { onReady }: ServeOptions,
  log: AgentLog,
): Promise<void> {
  await warmUpAssignments(assignments).catch((error: unknown) =>
    log('warn', 'assignments are not warmed up', errorKeys(error)),
  )
  try {
    await onReady?.()
  } catch (error) {
    log('warn', 'onReady failed', errorKeys(error))
  }
}
