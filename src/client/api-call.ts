import type { Problem } from './api-types.ts'
import { GreenroomApiError } from './client-error.ts'
import { delay, retryDelayMs } from './delay.ts'

export interface ClientOptions {
  /** Address of the session API, or a path of your own server that forwards to it. */
  readonly url: string
  /** Left out where your own server adds it. An API key does not belong into a page that others load. */
  readonly apiKey?: string | (() => string) | undefined
  /** Instead of the global fetch. */
  readonly fetch?: typeof fetch | undefined
}

/** What every call takes. */
export interface CallOptions {
  /** Gives the call up. */
  readonly signal?: AbortSignal | undefined
  /** For the whole call with its retries. It has nothing to do with the lease of a session. */
  readonly requestTimeoutMs?: number | undefined
}

interface ApiRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly path: string
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

interface Attempt extends ApiRequest {
  readonly signal: AbortSignal
  /** For this attempt alone. */
  readonly timeoutMs: number
}

interface StreamRequest {
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly signal: AbortSignal
}

interface Question extends Omit<RequestInit, 'headers'> {
  readonly path: string
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly signal: AbortSignal
  readonly timeoutMs: number
}

/** The server answers within 2 s, or says 503; a slow network takes its own time. */
const defaultTimeoutMs = 10_000
/** A connection that died unnoticed must not cost the whole deadline. */
const attemptMs = 5_000
/** A proxy's page says nothing that a longer excerpt would tell. */
const excerptLength = 120

export type Api = ReturnType<typeof createApi>

/** Calls of the session API. `call` repeats what is worth repeating; `attempt` asks once. */
export function createApi({ url, apiKey, fetch: given }: ClientOptions) {
  const base = url.replace(/\/+$/, '')
  // Called as a plain function: a browser's fetch refuses to be a method of something else.
  const send = given ?? ((address: string, init: RequestInit) => fetch(address, init))

  /** One request, until `read` has what it wants of the answer. */
  async function ask<T>(
    { path, headers, signal, timeoutMs, ...init }: Question,
    read: (response: Response) => Promise<T>,
  ): Promise<T> {
    const call = new AbortController()
    const give = () => call.abort(signal.reason)
    const timer = setTimeout(() => call.abort(), timeoutMs)
    signal.addEventListener('abort', give)
    try {
      if (signal.aborted) throw signal.reason
      const response = await send(base + path, {
        ...init,
        headers: {
          ...(apiKey !== undefined && {
            authorization: `Bearer ${typeof apiKey === 'function' ? apiKey() : apiKey}`,
          }),
          ...headers,
        },
        signal: call.signal,
      })
      return await read(response)
    } catch (error) {
      if (error instanceof GreenroomApiError) throw error
      if (signal.aborted) throw signal.reason
      throw call.signal.aborted ? timedOut(timeoutMs, error) : unreachable(error)
    } finally {
      clearTimeout(timer)
      signal.removeEventListener('abort', give)
    }
  }

  function attempt<T>({ body, headers, ...rest }: Attempt): Promise<T> {
    const sent = body !== undefined && {
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    }
    return ask({ headers, ...rest, ...sent }, async (response) =>
      readAnswer<T>(response, await response.text()),
    )
  }

  /** Opens a stream of events. Undefined when there is nothing more to come (204). */
  function stream({ headers, ...rest }: StreamRequest): Promise<ReadableStream<Uint8Array> | undefined> {
    const accept = 'text/event-stream'
    const question = { ...rest, headers: { accept, ...headers }, timeoutMs: attemptMs }
    return ask(question, async (response) => {
      const { status, ok, body } = response
      if (status === 204) return undefined
      if (ok && body && response.headers.get('content-type')?.startsWith(accept)) return body
      return readAnswer<never>(response, ok ? 'no stream of events' : await response.text())
    })
  }

  async function call<T>(request: ApiRequest, options: CallOptions = {}): Promise<T> {
    const { signal = new AbortController().signal, requestTimeoutMs = defaultTimeoutMs } = options
    const endsAt = performance.now() + requestTimeoutMs
    for (let failures = 0; ; failures += 1) {
      try {
        const timeoutMs = Math.max(1, Math.min(attemptMs, endsAt - performance.now()))
        return await attempt<T>({ ...request, signal, timeoutMs })
      } catch (error) {
        if (!(error instanceof GreenroomApiError) || !error.retryable) throw error
        const waitMs = retryDelayMs(failures, error.retryAfterMs)
        if (performance.now() + waitMs >= endsAt) throw error
        await delay(waitMs, signal)
      }
    }
  }

  return { attempt, call, stream }
}

function readAnswer<T>({ ok, status, headers }: Response, text: string): T {
  const body = parsed(text)
  if (ok && body) return body as T
  const { code, detail, title, remedy, requestId, retryAfterMs }: Partial<Problem> = body ?? {}
  const again = retryAfterMs ?? secondsOf(headers.get('retry-after'))
  const retryable = status >= 500 || status === 408 || status === 429
  if (typeof code === 'string' && code.startsWith('GRN_'))
    throw new GreenroomApiError(detail ?? title ?? code, {
      code,
      retryable,
      retryAfterMs: again,
      remediation: remedy,
      status,
      requestId,
    })
  throw new GreenroomApiError(`The answer ${status} is not Greenroom's: ${text.slice(0, excerptLength)}`, {
    code: 'GRN_CLIENT_BAD_ANSWER',
    retryable,
    retryAfterMs: again,
    remediation: 'Check the address and its proxies.',
    status,
  })
}

function parsed(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    return undefined
  }
}

/** Proxies send seconds or a date; a date is left to the client's own back-off. */
function secondsOf(retryAfter: string | null): number | undefined {
  return retryAfter !== null && /^\d{1,5}$/.test(retryAfter) ? Number(retryAfter) * 1_000 : undefined
}

export function timedOut(ms: number, cause?: unknown): GreenroomApiError {
  return new GreenroomApiError(`No answer within ${Math.round(ms)} ms.`, {
    code: 'GRN_CLIENT_TIMEOUT',
    retryable: true,
    remediation: 'Try again, or raise requestTimeoutMs.',
    cause,
  })
}

function unreachable(cause: unknown): GreenroomApiError {
  return new GreenroomApiError('The session API could not be reached, or the connection was cut.', {
    code: 'GRN_CLIENT_UNREACHABLE',
    retryable: true,
    remediation: 'Check address and network, then try again.',
    cause,
  })
}

export function sessionPath(id: string): string {
  return `/v1/sessions/${encodeURIComponent(id)}`
}
