import { type Api, type CallOptions, timedOut } from './api-call.ts'
import type { OpenRequest, SessionView } from './api-types.ts'
import { GreenroomApiError, isOutcomeUnknown } from './client-error.ts'
import { ClientSession } from './client-session.ts'
import { delay, retryDelayMs } from './delay.ts'

export interface OpenOptions extends CallOptions {
  /** Names this open over all its tries, and over a restart of this program if you keep it; random unless given. */
  readonly idempotencyKey?: string | undefined
  /** Of the caller's trace (W3C Trace Context); unless given, each open begins a trace of its own. */
  readonly traceparent?: string | undefined
}

const defaultTimeoutMs = 30_000
/** What an open takes at most besides its wait for a pod (5 s), and the network. */
const besideWaitMs = 7_000
/** The wait of a pool that says nothing else. For a longer one the request has to name it, or its tries are cut short. */
const usualWaitMs = 5_000
/** How long an open that nobody waits for any more is followed, to end the session that it may still bring. */
const lateMs = 5_000

/** One open, on its way. */
interface Opening {
  readonly request: OpenRequest
  readonly headers: Readonly<Record<string, string>>
  /** Monotonic. */
  readonly endsAt: number
  /** Aborted when the caller no longer waits, with what it is told. */
  readonly caller: AbortController
  /** Aborted when the open is not followed any more either. */
  readonly late: AbortSignal
}

/**
 * POST /v1/sessions until it is answered, refused for good, or the deadline has come. All tries have one key, so that they
 * mean one session. A caller that leaves is told at once, and a session that comes too late for it is ended.
 */
export async function openSession(
  api: Api,
  request: OpenRequest,
  {
    requestTimeoutMs = defaultTimeoutMs,
    idempotencyKey = randomHex(16),
    traceparent,
    signal,
  }: OpenOptions = {},
): Promise<ClientSession> {
  signal?.throwIfAborted()
  const caller = new AbortController()
  const late = new AbortController()
  const leave = () => caller.abort(signal?.reason)
  signal?.addEventListener('abort', leave)
  const timer = setTimeout(() => caller.abort(timedOut(requestTimeoutMs)), requestTimeoutMs)
  const endsAt = performance.now() + requestTimeoutMs
  const headers = { 'idempotency-key': idempotencyKey, ...traceHeaders(traceparent) }
  const opening = run(api, { request, headers, endsAt, caller, late: late.signal })
  try {
    return await unlessAborted(opening, caller.signal)
  } catch (error) {
    const lateTimer = setTimeout(() => late.abort(), lateMs)
    opening
      .then((session) => session.end())
      .catch(() => undefined)
      .finally(() => clearTimeout(lateTimer))
    throw error
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', leave)
  }
}

async function run(api: Api, opening: Opening): Promise<ClientSession> {
  const session = new ClientSession(api, await untilAnswered(api, opening))
  try {
    const requestTimeoutMs = Math.max(1, opening.endsAt - performance.now())
    const { status, endReason } = await session.untilActive({
      requestTimeoutMs,
      signal: opening.caller.signal,
    })
    if (status === 'ACTIVE') return session
    throw new GreenroomApiError(`The session ended before it became ACTIVE: ${endReason ?? 'unknown'}.`, {
      code: 'GRN_CLIENT_OPEN_FAILED',
      retryable: true,
      remediation: 'Open a new session. GET /v1/pools tells why a pool has no pods.',
    })
  } catch (error) {
    session.end().catch(() => undefined)
    throw error
  }
}

async function untilAnswered(api: Api, opening: Opening): Promise<SessionView> {
  const { request, headers, endsAt, caller, late } = opening
  for (let failures = 0; ; failures += 1) {
    try {
      return await api.attempt<SessionView>({
        method: 'POST',
        path: '/v1/sessions',
        body: request,
        headers,
        signal: late,
        timeoutMs: (request.waitMs ?? usualWaitMs) + besideWaitMs,
      })
    } catch (error) {
      if (!(error instanceof GreenroomApiError) || !error.retryable) throw error
      const waitMs = retryDelayMs(failures, error.retryAfterMs)
      if (performance.now() + waitMs >= endsAt) caller.abort(error)
      const isOver = () => caller.signal.aborted && !isOutcomeUnknown(error)
      if (isOver()) throw error
      await delay(waitMs, late)
      if (isOver()) throw error
    }
  }
}

function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
    promise.then(resolve, reject)
  })
}

/** randomUUID is missing on pages that are not served over TLS. */
function randomHex(bytes: number): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(bytes)), (byte) =>
    byte.toString(16).padStart(2, '0'),
  ).join('')
}

/**
 * All tries of an open are one trace. A program with OpenTelemetry names its own, by what instruments its fetch. Of a trace
 * that begins here nothing is recorded, so the server decides whether it is kept.
 */
function traceHeaders(traceparent: string | undefined): Record<string, string> {
  if (traceparent) return { traceparent }
  if (Symbol.for('opentelemetry.js.api.1') in globalThis) return {}
  return { traceparent: `00-${randomHex(16)}-${randomHex(8)}-00`, tracestate: 'greenroom=new' }
}
