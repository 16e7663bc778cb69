import type { Assignment, LiveKitAccess } from '../domain/assign-contract.ts'
import { renewAfterMs } from '../domain/session.ts'
import type { TraceContext } from '../domain/trace-context.ts'
import { isLiveKitAccess } from './assign-body.ts'
import { callJson } from './call-json.ts'

/** Two renewals may fail before the lease lapses: a call that hangs must leave time for them. */
const callTimeoutMs = 5_000
/** No call gets less, however short the lease is. */
const leastTimeoutMs = 250

/**
 * Answers that mean that the session is no longer this pod's. The code is required as well as the status: a proxy's 404
 * must not end every session behind it.
 */
export const overCodes: readonly string[] = ['GRN_SESSION_NOT_FOUND', 'GRN_STALE_EPOCH', 'GRN_SESSION_OVER']
const overStatuses: readonly number[] = [404, 409, 410]

export type CallOutcome =
  | { readonly kind: 'done'; readonly body: unknown }
  | { readonly kind: 'over'; readonly code: string }
  | { readonly kind: 'failed'; readonly reason: string }

/** The session server as an agent sees it: the four calls that its session token opens. No call ever rejects. */
export interface SessionServer {
  renew(signal: AbortSignal): Promise<CallOutcome>
  /** Goes on with the trace of the assignment. */
  joined(signal: AbortSignal, trace?: TraceContext): Promise<CallOutcome>
  /** The session with fresh access to its room: {@link liveKitIn}. */
  token(signal: AbortSignal): Promise<CallOutcome>
  end(reason?: string): Promise<CallOutcome>
}

/** undefined when the assignment has no `apiUrl`: pods cannot reach the session server. */
export function createSessionServer(assignment: Assignment): SessionServer | undefined {
  const { apiUrl, sessionId, epoch, sessionToken, leaseMs } = assignment
  if (apiUrl === undefined) return undefined
  const base = `${apiUrl.replace(/\/+$/, '')}/v1/sessions/${encodeURIComponent(sessionId)}`
  const timeoutMs = Math.min(callTimeoutMs, Math.max(renewAfterMs(leaseMs), leastTimeoutMs))

  async function call(
    method: 'POST' | 'DELETE',
    url: string,
    stopped?: AbortSignal,
    trace?: TraceContext,
  ): Promise<CallOutcome> {
    const timeout = AbortSignal.timeout(timeoutMs)
    try {
      const answer = await callJson(url, {
        method,
        headers: { authorization: `Bearer ${sessionToken}`, ...(trace && headersOf(trace)) },
        ...(method === 'POST' && { body: { epoch } }),
        signal: stopped ? AbortSignal.any([stopped, timeout]) : timeout,
      })
      return outcomeOf(answer)
    } catch (error) {
      return { kind: 'failed', reason: timeout.aborted ? 'TimeoutError' : failureOf(error) }
    }
  }

  return {
    renew: (signal) => call('POST', `${base}/renew`, signal),
    joined: (signal, trace) => call('POST', `${base}/joined`, signal, trace),
    token: (signal) => call('POST', `${base}/token`, signal),
    end: (reason) => call('DELETE', `${base}?${endQuery(epoch, reason)}`),
  }
}

function headersOf({ traceparent, tracestate }: TraceContext): Record<string, string> {
  return tracestate === undefined ? { traceparent } : { traceparent, tracestate }
}

/** `lease.renewAfterMs` of the session in an answer. */
export function renewHintIn(body: unknown): number | undefined {
  const hint = (body as { lease?: { renewAfterMs?: unknown } } | null | undefined)?.lease?.renewAfterMs
  return typeof hint === 'number' && hint > 0 ? hint : undefined
}

/** `livekit` of the session in an answer. */
export function liveKitIn(body: unknown): LiveKitAccess | undefined {
  const access = (body as { livekit?: unknown } | null | undefined)?.livekit
  return isLiveKitAccess(access) ? access : undefined
}

/** The server takes at most 200 printable characters. An end must not fail for its reason. */
const mostReasonCharacters = 200

function endQuery(epoch: number, reason: string | undefined): string {
  const query = new URLSearchParams({ epoch: String(epoch) })
  const printable = Array.from((reason ?? '').replace(/[\p{C}\p{Zl}\p{Zp}]+/gu, ' ').trim())
  if (printable.length > 0) query.set('reason', printable.slice(0, mostReasonCharacters).join(''))
  return query.toString()
}

function outcomeOf({ status, body }: Awaited<ReturnType<typeof callJson>>): CallOutcome {
  if (status >= 200 && status < 300) return { kind: 'done', body }
  const code = (body as { code?: unknown } | null | undefined)?.code
  if (overStatuses.includes(status) && typeof code === 'string' && overCodes.includes(code))
    return { kind: 'over', code }
  return { kind: 'failed', reason: `status ${status}` }
}

function failureOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  return (error as NodeJS.ErrnoException).code ?? error.name
}
