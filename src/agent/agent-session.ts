import type { Assignment } from '../domain/assignment.ts'
import { renewAfterMs } from '../domain/session.ts'
import type { ErrorCode } from '../errors.ts'
import { pause } from '../timing/pause.ts'
import { type AgentLog, errorKeys } from './agent-log.ts'

/** Two renewals may fail before the lease lapses: a call that hangs must leave time for them. */
const callTimeoutMs = 5_000
/** First pause after a failed call; doubles up to the regular interval. */
const firstRetryMs = 250
/** Share of an interval by which renewals are spread, so that pods claimed in one burst do not renew in one burst. */
const jitterShare = 0.1
/** Tries of `finish`. If all fail the lease lapses, because renewals have stopped. */
const finishAttempts = 4

/**
 * Answers that mean that the session is no longer this pod's. The code is required as well as the status: a proxy's 404
 * must not end every session behind it.
 */
const overCodes: readonly string[] = [
  'GRN_SESSION_NOT_FOUND',
  'GRN_STALE_EPOCH',
  'GRN_SESSION_OVER',
] satisfies ErrorCode[]
const overStatuses: readonly number[] = [404, 409, 410]

/** What an agent's code sees of the session it serves. */
export interface AgentSession {
  readonly id: string
  readonly epoch: number
  /** Aborted when the session is over for this pod, for any reason. */
  readonly signal: AbortSignal
  /**
   * The agent is done: ends the session at the session server, which then sends /end. Renewals stop at once.
   * @throws Error if the server could not be reached; then the lease lapses.
   */
  finish(): Promise<void>
}

/** The SDK's side: it starts and stops the renewals. */
export interface HeldSession extends AgentSession {
  /** Begins to renew the lease. Without an `apiUrl` it does nothing, and the caller holds the lease. */
  start(): void
  stop(): void
}

interface HeldSessionOptions {
  readonly assignment: Assignment
  readonly log: AgentLog
  /** The session server says that the session is over or belongs to another epoch. Called once at most. */
  readonly onOver: (reason: string) => void
  readonly random?: () => number
}

type CallOutcome =
  | { readonly kind: 'done'; readonly body: unknown }
  | { readonly kind: 'over'; readonly code: string }
  | { readonly kind: 'failed'; readonly reason: string }

export function createHeldSession({
  assignment,
  log,
  onOver,
  random = Math.random,
}: HeldSessionOptions): HeldSession {
  const { sessionId, epoch, leaseMs } = assignment
  const stopping = new AbortController()
  const regularMs = Math.max(1, renewAfterMs(leaseMs))

  async function keepLease(): Promise<void> {
    let failures = 0
    let waitMs = regularMs
    for (;;) {
      await pause(waitMs * (1 - jitterShare * random()), stopping.signal)
      if (stopping.signal.aborted) return
      const outcome = await callServer(assignment, 'renew', stopping.signal)
      if (stopping.signal.aborted) return
      if (outcome.kind === 'over') {
        log('info', 'session is over', { sessionId, epoch, code: outcome.code })
        onOver(outcome.code)
        return
      }
      failures = outcome.kind === 'done' ? 0 : failures + 1
      waitMs = outcome.kind === 'done' ? (renewHint(outcome.body) ?? regularMs) : retryMs(failures, regularMs)
      if (outcome.kind === 'failed') {
        // It goes on: after a gap of its own the server gives every lease more time.
        log('warn', 'lease not renewed', { sessionId, epoch, failures, reason: outcome.reason })
      }
    }
  }

  async function finish(): Promise<void> {
    stopping.abort()
    let reason = ''
    for (let attempt = 1; attempt <= finishAttempts; attempt++) {
      const outcome = await callServer(assignment, 'finish')
      if (outcome.kind !== 'failed') return
      reason = outcome.reason
      if (attempt < finishAttempts) await pause(retryMs(attempt, regularMs))
    }
    throw new Error(`the session server did not take the end of the session: ${reason}`)
  }

  return {
    id: sessionId,
    epoch,
    signal: stopping.signal,
    start() {
      if (assignment.apiUrl === undefined) return
      keepLease().catch((error: unknown) =>
        log('error', 'renewing stopped', { sessionId, ...errorKeys(error) }),
      )
    },
    stop: () => stopping.abort(),
    finish:
      assignment.apiUrl === undefined
        ? () => Promise.reject(new Error('the assignment has no apiUrl'))
        : finish,
  }
}

function retryMs(failures: number, ceilingMs: number): number {
  return Math.min(firstRetryMs * 2 ** (failures - 1), ceilingMs)
}

async function callServer(
  { apiUrl = '', sessionId, epoch, sessionToken, leaseMs }: Assignment,
  call: 'renew' | 'finish',
  stopped?: AbortSignal,
): Promise<CallOutcome> {
  const base = `${apiUrl.replace(/\/+$/, '')}/v1/sessions/${encodeURIComponent(sessionId)}`
  const renew = call === 'renew'
  const timeout = AbortSignal.timeout(Math.min(callTimeoutMs, Math.max(renewAfterMs(leaseMs), firstRetryMs)))
  try {
    const response = await fetch(renew ? `${base}/renew` : `${base}?epoch=${epoch}`, {
      method: renew ? 'POST' : 'DELETE',
      headers: {
        authorization: `Bearer ${sessionToken}`,
        ...(renew && { 'content-type': 'application/json' }),
      },
      ...(renew && { body: JSON.stringify({ epoch }) }),
      // The token must go to this address and no other.
      redirect: 'error',
      signal: stopped ? AbortSignal.any([stopped, timeout]) : timeout,
    })
    const body: unknown = await response.json().catch(() => undefined)
    if (response.ok) return { kind: 'done', body }
    const code = (body as { code?: unknown } | undefined)?.code
    if (overStatuses.includes(response.status) && typeof code === 'string' && overCodes.includes(code)) {
      return { kind: 'over', code }
    }
    return { kind: 'failed', reason: `status ${response.status}` }
  } catch (error) {
    return { kind: 'failed', reason: fetchFailure(error) }
  }
}

/** fetch's own message is always "fetch failed"; the cause is below it. */
function fetchFailure(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  return (error.cause as NodeJS.ErrnoException | undefined)?.code ?? error.name
}

/** `lease.renewAfterMs` of the session in the answer. */
function renewHint(body: unknown): number | undefined {
  const hint = (body as { lease?: { renewAfterMs?: unknown } } | null | undefined)?.lease?.renewAfterMs
  return typeof hint === 'number' && hint > 0 ? hint : undefined
}
