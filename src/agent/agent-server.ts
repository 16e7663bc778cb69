import type { Assignment, EndOrder } from '../domain/assignment.ts'
import { agentPort } from '../domain/names.ts'
import { readAgentEnv } from './agent-env.ts'
import { type AgentExit, createAgentExit } from './agent-exit.ts'
import { type AgentRoutes, createAgentHttp } from './agent-http.ts'
import { type AgentLog, createAgentLog, errorKeys } from './agent-log.ts'
import { createAgentMetrics } from './agent-metrics.ts'
import { type AgentSession, createHeldSession, type HeldSession } from './agent-session.ts'
import { type AssignVerifier, createAssignVerifier } from './assign-verifier.ts'
import { createAssignmentGate } from './assignment-gate.ts'
import { warmUpAssignments } from './warm-up-assignments.ts'

/** Pods get 30 s between SIGTERM and SIGKILL; the rest is for closing connections and writing logs. */
const defaultGraceMs = 25_000

export interface AgentServerOptions {
  /** Called once in the life of the pod. The session server waits for it (1.5 s by default). If it throws, the pod is not used. */
  readonly onAssign: (assignment: Assignment, session: AgentSession) => void | Promise<void>
  /** The session has ended. Afterwards the process exits. */
  readonly onEnd?: (order: EndOrder) => void | Promise<void>
  /** SIGTERM came. Afterwards the requests in flight are finished and the process exits. */
  readonly onDrain?: () => void | Promise<void>
  readonly routes?: AgentRoutes
  /** The process's environment. */
  readonly env: Readonly<Record<string, string | undefined>>
  readonly port?: number
  /** Longest time from the end of the session or SIGTERM to the exit. */
  readonly graceMs?: number
  readonly exit?: (code: number) => void
  readonly log?: AgentLog
}

interface AgentServer {
  /** Resolves when the pod can take an assignment. @throws Error for an unusable environment or address */
  listen(): Promise<{ address: string; port: number }>
  /** Stops without running a hook and without exiting. */
  close(): Promise<void>
}

/** A pod's side of the agent contract: one assignment, its lease, its end, and the way out of the process. */
export function createAgentServer(options: AgentServerOptions): AgentServer {
  const env = readAgentEnv(options.env)
  const log = options.log ?? createAgentLog({ podName: env.podName, podUid: env.podUid })
  let verifier: AssignVerifier | undefined
  let session: HeldSession | undefined
  let ended = false

  async function take(assignment: Assignment): Promise<void> {
    session = createHeldSession({
      assignment,
      log,
      onOver: (reason) => endSession({ sessionId: assignment.sessionId, epoch: assignment.epoch, reason }),
    })
    await runAssignment(options, assignment, session, log)
  }
  const gate = createAssignmentGate(take)

  function endSession(order: EndOrder): void {
    if (ended) return
    ended = true
    gate.leave()
    session?.stop()
    log('info', 'session ended', { ...order })
    exit.after(() => options.onEnd?.(order))
  }
  function onSigterm(): void {
    gate.leave()
    log('info', 'SIGTERM')
    exit.after(() => options.onDrain?.())
  }

  const metrics = createAgentMetrics(env.agentType ?? 'unknown')
  const http = createAgentHttp({
    podUid: env.podUid,
    agentType: env.agentType,
    gate,
    metrics,
    routes: options.routes ?? {},
    verifier: () => verifier,
    endSession,
    log,
  })
  function release(): Promise<void> {
    session?.stop()
    return http.close()
  }
  const exit: AgentExit = createAgentExit({
    graceMs: options.graceMs ?? defaultGraceMs,
    exit: options.exit ?? ((code) => process.exit(code)),
    close: release,
    log,
  })

  return {
    async listen() {
      process.on('SIGTERM', onSigterm)
      verifier = await createAssignVerifier(env.assignKeys, env.podUid)
      const bound = await http.listen(env.listenAddress, options.port ?? agentPort)
      await warmUpAssignments({ address: bound.address, podUid: env.podUid, metrics })
      gate.open()
      log('info', 'listening', { ...bound, startMs: Math.round(performance.now()) })
      return bound
    },
    async close() {
      process.off('SIGTERM', onSigterm)
      gate.leave()
      await release()
    },
  }
}

async function runAssignment(
  { onAssign }: AgentServerOptions,
  assignment: Assignment,
  session: HeldSession,
  log: AgentLog,
): Promise<void> {
  const keys = { sessionId: assignment.sessionId, epoch: assignment.epoch }
  try {
    await onAssign(assignment, session)
  } catch (error) {
    session.stop()
    log('error', 'assignment failed', { ...keys, ...errorKeys(error) })
    throw error
  }
  session.start()
  log('info', 'assigned', keys)
}
