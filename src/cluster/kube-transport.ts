import http from 'node:http'
import https from 'node:https'
import type { KubeAccess } from './kube-access.ts'
import { KubeApiError, kubeApiErrorFrom } from './kube-api-error.ts'

/**
 * HTTP to the API server, with the identity and TLS of a KubeAccess. All API clients and watches go through here,
 * because client-node 2.0.1's own transport makes a new connection pool, so a new TLS handshake, for every request,
 * has no timeout, and its Watch drops unreadable lines, handler errors and the server's sentence without a word.
 */
export interface KubeTransport {
  /** Resolves with any HTTP answer; throws KubeApiError without status when there is none in time. */
  send(request: KubeRequest): Promise<KubeResponse>
  /** GET of JSON; throws KubeApiError for anything but 2xx. */
  getJson<T>(path: string, signal?: AbortSignal): Promise<T>
  /** POST or PUT of an object, which the server returns as it became; throws KubeApiError for anything but 2xx. */
  writeJson<T>(method: 'POST' | 'PUT', path: string, object: unknown): Promise<T>
  /**
   * Server-side apply under this field manager, taking over fields that others own; returns the object as it became.
   * Throws KubeApiError for anything but 2xx: 409 if `object.metadata.resourceVersion` is not the current one.
   */
  applyJson<T>(path: string, object: unknown, fieldManager: string): Promise<T>
  /** GET of an endless body on a connection of its own; resolves at the headers of a 200, else throws KubeApiError. */
  openStream(path: string, signal: AbortSignal): Promise<http.IncomingMessage>
  /** Ends idle connections; whatever is in flight ends by its own timeout or signal. */
  close(): void
}

export interface KubeRequest {
  readonly method: string
  /** Path and query. */
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | undefined
  readonly signal?: AbortSignal | undefined
}

export interface KubeResponse {
  readonly status: number
  readonly headers: Record<string, string>
  readonly body: string
}

/** Longer than any healthy answer of the API server, short enough to notice a half-open connection. */
const defaultTimeoutMs = 10_000

/** The API server closes idle connections after 90 s; we go first, so that no request meets a closing socket. */
const idleConnectionMs = 30_000

/** TCP notices a vanished peer even where nothing is sent. */
const tcpKeepAliveMs = 15_000

/** No list page (500 objects of at most 1.5 MiB each in theory, some KiB in fact) comes near. */
const maxBodyBytes = 256 * 1024 * 1024

export function createKubeTransport(
  access: KubeAccess,
  { timeoutMs = defaultTimeoutMs }: { timeoutMs?: number } = {},
): KubeTransport {
  const base = new URL(access.server)
  const { request: startRequest, Agent } = base.protocol === 'http:' ? http : https
  const pool = new Agent({ keepAlive: true, timeout: idleConnectionMs })

  const start = async (
    request: KubeRequest,
    agent: http.Agent | false,
    signal: AbortSignal,
  ): Promise<http.IncomingMessage> => {
    let options: https.RequestOptions
    try {
      options = await access.requestOptions()
    } catch (error) {
      throw new KubeApiError(`no credentials for the API server: ${sentenceOf(error)}`, { cause: error })
    }
    const url = new URL(base.pathname.replace(/\/$/, '') + request.path, base)
    return answerTo(
      // Ours takes the certificates of each request; a proxy needs its own.
      startRequest(url, { agent, ...options, ...methodAndHeaders(request, options) }),
      request.body,
      signal,
    )
  }

  /** After a timeout the idle connections are suspect as well: each would cost another timeout. */
  const dropIdleConnections = (): void => {
    for (const sockets of Object.values(pool.freeSockets))
      for (const socket of sockets ?? []) socket.destroy()
  }

  const boundedSignal = (outer: AbortSignal | undefined): BoundedSignal =>
    startBoundedSignal(outer, { timeoutMs, onTimeout: dropIdleConnections })

  const send = async (request: KubeRequest): Promise<KubeResponse> => {
    const bounded = boundedSignal(request.signal)
    try {
      const response = await start(request, pool, bounded.signal)
      const headers: Record<string, string> = {}
      for (const [name, value] of Object.entries(response.headers)) headers[name] = String(value)
      return { status: response.statusCode ?? 0, headers, body: await textOf(response) }
    } catch (error) {
      throw noAnswer(error)
    } finally {
      bounded.release()
    }
  }

  const openStream = async (path: string, outer: AbortSignal): Promise<http.IncomingMessage> => {
    const bounded = boundedSignal(outer)
    try {
      const response = await start({ method: 'GET', path }, false, bounded.signal)
      response.once('close', () => bounded.release())
      if (response.statusCode === 200) {
        bounded.lift()
        return response
      }
      const retryAfter = response.headers['retry-after']
      throw kubeApiErrorFrom(response.statusCode ?? 0, await textOf(response), retryAfter)
    } catch (error) {
      bounded.release()
      throw noAnswer(error)
    }
  }

  const sendForSuccess = async (request: KubeRequest): Promise<string> => {
    const { status, body, headers } = await send(request)
    if (status >= 300) throw kubeApiErrorFrom(status, body, headers['retry-after'])
    return body
  }

  return {
    send,
    openStream,
    getJson: async <T>(path: string, signal?: AbortSignal) =>
      JSON.parse(await sendForSuccess({ method: 'GET', path, signal })) as T,
    async writeJson<T>(method: 'POST' | 'PUT', path: string, object: unknown) {
      const headers = { 'content-type': 'application/json' }
      return JSON.parse(await sendForSuccess({ method, path, headers, body: JSON.stringify(object) })) as T
    },
    async applyJson<T>(path: string, object: unknown, fieldManager: string) {
      const query = `fieldManager=${encodeURIComponent(fieldManager)}&force=true`
      const headers = { 'content-type': 'application/apply-patch+yaml' }
      const body = JSON.stringify(object)
      const request = { method: 'PATCH', path: `${path}?${query}`, headers, body }
      return JSON.parse(await sendForSuccess(request)) as T
    },
    close: () => pool.destroy(),
  }
}

interface BoundedSignal {
  readonly signal: AbortSignal
  /** Ends the time limit; the outer signal still counts. */
  lift(): void
  release(): void
}

interface BoundedSignalOptions {
  readonly timeoutMs: number
  readonly onTimeout: () => void
}

/** The caller's signal and a time limit in one. */
function startBoundedSignal(
  outer: AbortSignal | undefined,
  { timeoutMs, onTimeout }: BoundedSignalOptions,
): BoundedSignal {
  const controller = new AbortController()
  const follow = (): void => controller.abort(outer?.reason)
  if (outer?.aborted) follow()
  outer?.addEventListener('abort', follow, { once: true })
  const timer = setTimeout(() => {
    controller.abort(new Error(`no answer within ${timeoutMs} ms`))
    onTimeout()
  }, timeoutMs)
  const lift = (): void => clearTimeout(timer)
  return {
    signal: controller.signal,
    lift,
    release: () => {
      lift()
      outer?.removeEventListener('abort', follow)
    },
  }
}

function methodAndHeaders(request: KubeRequest, options: https.RequestOptions): https.RequestOptions {
  const body = request.body
  return {
    method: request.method,
    headers: {
      accept: 'application/json',
      'user-agent': 'greenroom',
      ...(options.headers as Record<string, string> | undefined),
      ...request.headers,
      ...(body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }),
    },
  }
}

/** Resolves at the response's headers; the signal ends the exchange until its last byte. */
function answerTo(
  client: http.ClientRequest,
  body: string | undefined,
  signal: AbortSignal,
): Promise<http.IncomingMessage> {
  return new Promise((resolve, reject) => {
    let response: http.IncomingMessage | undefined
    const abort = (): void => {
      const reason = asError(signal.reason)
      response?.destroy(reason)
      client.destroy(reason)
    }
    // Stays for good: an error after the headers surfaces on the response, and must not be unhandled here.
    client.on('error', reject)
    client.once('response', (answer) => {
      response = answer
      resolve(answer)
    })
    client.once('socket', (socket) => socket.setKeepAlive(true, tcpKeepAliveMs))
    if (signal.aborted) abort()
    else {
      signal.addEventListener('abort', abort, { once: true })
      client.end(body)
    }
  })
}

async function textOf(response: http.IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > maxBodyBytes) throw new Error(`the answer is longer than ${maxBodyBytes} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function noAnswer(error: unknown, sentence = sentenceOf(error)): KubeApiError {
  return error instanceof KubeApiError
    ? error
    : new KubeApiError(`the API server cannot be reached: ${sentence}`, { cause: error })
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error('aborted')
}

function sentenceOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
