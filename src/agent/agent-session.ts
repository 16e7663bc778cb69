import type { Assignment } from '../domain/assign-contract.ts'
import { renewAfterMs } from '../domain/session.ts'
import type { TraceContext } from '../domain/trace-context.ts'
import { createBackoff } from '../timing/backoff.ts'
import { pause } from '../timing/pause.ts'
import { activeTrace, traced } from '../tracing/spans.ts'
import { type AgentLog, errorKeys } from './agent-log.ts'
import type { AgentMetrics } from './agent-metrics.ts'
import { createRoomPass, type HeldRoomPass, type RoomPass } from './room-pass.ts'
import { type CallOutcome, createSessionServer, liveKitIn, renewHintIn } from './session-server.ts'

/** First pause after a failed renewal; doubles up to the regular interval. */
const firstRetryMs = 250
/** Share of an interval by which renewals are spread, so that pods claimed in one burst do not renew in one burst. */
const jitterShare = 0.1
/** Tries of `finish`. If all fail the lease lapses, because renewals have stopped. */
const finishAttempts = 4
/** Between two reports of `joined` that failed. The watchdog waits 10 s for it. */
const joinedBackoff = { minMs: 250, maxMs: 5_000 }

/** What an agent is given of the session that it serves. */
export interface AgentSession {
  readonly session: {
    readonly id: string
    readonly epoch: number
    readonly agentType: string
    /** The LiveKit room. */
    readonly room: string
    /** What the caller sent with its open; empty if it sent nothing. */
    readonly metadata: Readonly<Record<string, unknown>>
    /** Of the trace that the assignment belongs to (W3C Trace Context): for what the agent calls. undefined without one. */
    readonly traceparent?: string | undefined
  }
  /** Just-in-time secrets. They exist in this process's memory only: never log them. */
  readonly secrets: Readonly<Record<string, string>>
  readonly livekit: RoomPass
  /** Aborted when the session is over for this pod, for any reason. */
  readonly signal: AbortSignal
  readonly metrics: AgentMetrics
  readonly log: AgentLog
  /** Tells the session server that the agent is in its room. It returns at once; failed reports are repeated. */
  joined(): void
  /**
   * The agent is done: ends the session at the session server, which then sends /end. Renewals stop at once.
   * The reason (at most 200 characters) is shown as `endDetail` of the session.
   * @throws Error if the server could not be reached; then the lease lapses.
   */
  finish(reason?: string): Promise<void>
  /** The process waits for this before it exits, within its grace time. */
  beforeExit(hook: () => void | Promise<void>): void
}

/** The SDK's side of an {@link AgentSession}. */
export interface HeldSession extends AgentSession {
  readonly livekit: HeldRoomPass
  /** Begins to renew the lease. Without an `apiUrl` it does nothing, and the caller holds the lease. */
  start(): void
  stop(): void
  /** Runs what `beforeExit` was given. One that fails does not keep the others from running. @throws AggregateError */
  runExitHooks(): Promise<void>
}

interface HeldSessionOptions {
  readonly assignment: Assignment
  readonly trace?: TraceContext | undefined
  readonly metrics: AgentMetrics
  readonly log: AgentLog
  /** The session server says that the session is over or belongs to another epoch. Called once at most. */
  readonly onOver: (reason: string) => void
  readonly random?: () => number
}

export function createHeldSession(options: HeldSessionOptions): HeldSession {
  const { assignment, trace, metrics, log } = options
  const { sessionId, epoch, agentType, room, metadata = {}, secrets = {} } = assignment
  const stopping = new AbortController()
  const { signal } = stopping
  const server = createSessionServer(assignment)
  const exitHooks: (() => void | Promise<void>)[] = []
  let reporting = false

  function over(code: string): void {
    if (signal.aborted) return
    log('info', 'session is over', { sessionId, epoch, code })
    options.onOver(code)
  }
  async function freshAccess() {
    const outcome = await server?.token(signal)
    if (outcome?.kind === 'over') over(outcome.code)
    if (outcome?.kind === 'failed' && !signal.aborted)
      log('warn', 'no fresh room token', { sessionId, epoch, reason: outcome.reason })
    return outcome?.kind === 'done' ? liveKitIn(outcome.body) : undefined
  }
  async function reportJoined(): Promise<void> {
    const backoff = createBackoff(joinedBackoff)
    for (let failures = 0; !signal.aborted; failures += 1) {
      const outcome = await traced('report joined', async () =>
        server?.joined(signal, activeTrace() ?? trace),
      )
      if (outcome?.kind === 'over') over(outcome.code)
      if (outcome?.kind !== 'failed' || signal.aborted) return
      // Once: a server that stays away is in the log by its failed renewals.
      if (failures === 0) log('warn', 'joined not reported', { sessionId, epoch, reason: outcome.reason })
      await backoff.pause(signal)
    }
  }

  return {
    session: { id: sessionId, epoch, agentType, room, metadata, traceparent: trace?.traceparent },
    secrets,
    livekit: createRoomPass(assignment.livekit, freshAccess),
    signal,
    metrics,
    log,
    joined() {
      if (reporting) return
      reporting = true
      void reportJoined()
    },
    async finish(reason) {
      if (!server) throw new Error('the assignment has no apiUrl')
      stopping.abort()
      await endAtServer(() => server.end(reason), assignment.leaseMs)
    },
    beforeExit: (hook) => void exitHooks.push(hook),
    start() {
      if (!server) return
      keepLease({ ...options, over, signal, renew: () => server.renew(signal) }).catch((error: unknown) =>
        log('error', 'renewing stopped', { sessionId, ...errorKeys(error) }),
      )
    },
    stop: () => stopping.abort(),
    async runExitHooks() {
      const settled = await Promise.allSettled(exitHooks.splice(0).map(async (hook) => hook()))
      const failures = settled.filter((result) => result.status === 'rejected')
      if (failures.length > 0) throw new AggregateError(failures.map(({ reason }) => reason as unknown))
    },
  }
}

interface LeaseKeeping extends HeldSessionOptions {
  readonly renew: () => Promise<CallOutcome>
  readonly over: (code: string) => void
  readonly signal: AbortSignal
}

async function keepLease(keeping: LeaseKeeping): Promise<void> {
  const { assignment, renew, over, signal, log, random = Math.random } = keeping
  const { sessionId, epoch } = assignment
  const regularMs = regularInterval(assignment.leaseMs)
  let failures = 0
  let waitMs = regularMs
  for (;;) {
    await pause(waitMs * (1 - jitterShare * random()), signal)
    if (signal.aborted) return
    const outcome = await renew()
    if (signal.aborted) return
    if (outcome.kind === 'over') return over(outcome.code)
    failures = outcome.kind === 'done' ? 0 : failures + 1
    waitMs = outcome.kind === 'done' ? (renewHintIn(outcome.body) ?? regularMs) : retryMs(failures, regularMs)
    if (outcome.kind === 'failed') {
      // It goes on: after a gap of its own the server gives every lease more time.
      log('warn', 'lease not renewed', { sessionId, epoch, failures, reason: outcome.reason })
    }
  }
}

async function endAtServer(end: () => Promise<CallOutcome>, leaseMs: number): Promise<void> {
  let reason = ''
  for (let attempt = 1; attempt <= finishAttempts; attempt++) {
    const outcome = await end()
    if (outcome.kind !== 'failed') return
    reason = outcome.reason
    if (attempt < finishAttempts) await pause(retryMs(attempt, regularInterval(leaseMs)))
  }
  throw new Error(`the session server did not take the end of the session: ${reason}`)
}

function regularInterval(leaseMs: number): number {
  return Math.max(1, renewAfterMs(leaseMs))
}

function retryMs(failures: number, ceilingMs: number): number {
  return Math.min(firstRetryMs * 2 ** (failures - 1), ceilingMs)
}
