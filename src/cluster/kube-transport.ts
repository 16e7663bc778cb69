import type { Readable } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import type { Dispatcher } from 'undici'
import type { KubeAccess } from './kube-access.ts'
import { KubeApiError, kubeApiErrorFrom } from './kube-api-error.ts'
import { createKubeConnections } from './kube-connections.ts'

/**
 * HTTP to the API server for the typed clients, the lists and the watches of one process: kept connections, a time limit
 * for every answer, and one error, KubeApiError. client-node 2.0.1's own way has neither: it makes a connection pool, so
 * a TLS handshake, for every request, and waits five minutes for an answer.
 */
export interface KubeTransport {
  /** Throws KubeApiError for anything but 2xx; without status when there is no answer in time. */
  send(request: KubeRequest): Promise<KubeResponse>
  /** GET of JSON as it is on the wire; throws as `send` does. */
  getJson<T>(path: string, signal?: AbortSignal): Promise<T>
  /** GET of an endless body; resolves at its headers, throws as `send` does. */
  openStream(path: string, signal: AbortSignal): Promise<Readable>
  /** Ends idle connections; whatever is in flight ends by its own timeout or signal. */
  close(): void
}

interface KubeRequest {
  readonly method: Dispatcher.HttpMethod
  /** Path and query. */
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | undefined
  readonly signal?: AbortSignal | undefined
  /** Instead of the transport's own. */
  readonly timeoutMs?: number | undefined
}

interface KubeResponse {
  readonly status: number
  readonly headers: Record<string, string>
  readonly body: string
}

interface KubeTransportOptions {
  /** Longest wait for one answer. */
  readonly timeoutMs?: number | undefined
  readonly maxBodyBytes?: number
}

/** Longer than any healthy answer of the API server, short enough to notice a half-open connection. */
const defaultTimeoutMs = 10_000

/** No list page (500 objects of at most 1.5 MiB each in theory, some KiB in fact) comes near. */
const defaultMaxBodyBytes = 256 * 1024 * 1024

export function createKubeTransport(access: KubeAccess, options: KubeTransportOptions = {}): KubeTransport {
  const { timeoutMs: ownTimeoutMs = defaultTimeoutMs, maxBodyBytes = defaultMaxBodyBytes } = options
  const base = new URL(access.server)
  const prefix = base.pathname.replace(/\/$/, '')
  const connections = createKubeConnections(access)

  const ask = async (request: KubeRequest, signal: AbortSignal): Promise<Dispatcher.ResponseData> => {
    const { dispatcher, headers } = await connections.next().catch((error: unknown) => {
      const sentence = `no credentials for the API server: ${sentenceOf(error)}`
      throw new KubeApiError(sentence, { cause: error, sent: false })
    })
    return dispatcher.request({
      origin: base.origin,
      path: prefix + request.path,
      method: request.method,
      headers: { accept: 'application/json', 'user-agent': 'greenroom', ...headers, ...request.headers },
      body: request.body ?? null,
      signal,
    })
  }

  /** Resolves at the headers of a success. The signal ends the exchange until its last byte. */
  const succeed = async (request: KubeRequest, signal: AbortSignal) => {
    // Neither a credential plugin nor undici, while it opens a connection, listens to the signal.
    const { statusCode: status, headers, body } = await beforeAbort(ask(request, signal), signal)
    // Its reader hears of errors. One that nobody reads any more must not end the process.
    body.on('error', () => undefined)
    const plain = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]))
    if (status >= 300) throw kubeApiErrorFrom(status, await textOf(body, maxBodyBytes), plain['retry-after'])
    return { status, headers: plain, body }
  }

  /** Within the time limit, which ends with the returned promise. */
  const within = async <T>(
    { signal: outer, timeoutMs = ownTimeoutMs }: Pick<KubeRequest, 'signal' | 'timeoutMs'>,
    exchange: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> => {
    const limit = new AbortController()
    const timer = setTimeout(() => {
      limit.abort(new Error(`no answer within ${timeoutMs} ms`))
      // The idle connections are suspect as well: each would cost another timeout.
      connections.renew()
    }, timeoutMs)
    try {
      return await exchange(outer ? AbortSignal.any([outer, limit.signal]) : limit.signal)
    } catch (error) {
      if (error instanceof KubeApiError) throw error
      const sentence = `the API server cannot be reached: ${sentenceOf(error)}`
      throw new KubeApiError(sentence, { cause: error, sent: !isConnectFailure(error) })
    } finally {
      clearTimeout(timer)
    }
  }

  const send = (request: KubeRequest): Promise<KubeResponse> =>
    within(request, async (signal) => {
      const answer = await succeed(request, signal)
      const body = await textOf(answer.body, maxBodyBytes)
      // undici frees the connection in the next turn of the event loop. A caller that asks again before opens another.
      await setImmediate()
      return { ...answer, body }
    })

  return {
    send,
    getJson: async <T>(path: string, signal?: AbortSignal) =>
      JSON.parse((await send({ method: 'GET', path, signal })).body) as T,
    openStream: (path, signal) =>
      within({ signal }, async (limited) => (await succeed({ method: 'GET', path }, limited)).body),
    close: () => connections.close(),
  }
}

async function beforeAbort<T>(answer: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const abort = (): void => reject(signal.reason)
  if (signal.aborted) abort()
  signal.addEventListener('abort', abort, { once: true })
  try {
    return await Promise.race([answer, aborted])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

async function textOf(body: Readable, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of body as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > maxBytes) throw new Error(`the answer is longer than ${maxBytes} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** Where an address has several forms, Node's error for all of them has a code and no sentence. */
function sentenceOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.message || String((error as NodeJS.ErrnoException).code ?? error.name)
}

const connectFailures: readonly unknown[] = [
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
]

/** There was no connection, so the server cannot have seen the request. */
function isConnectFailure(error: unknown): boolean {
  return error instanceof Error && connectFailures.includes((error as NodeJS.ErrnoException).code)
}
