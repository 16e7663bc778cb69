import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest, type RequestOptions } from 'node:https'
import { text } from 'node:stream/consumers'
import { KubeConfig } from '@kubernetes/client-node'

/**
 * The few REST calls a kubelet makes, in plain JSON. The client library's models would cost processor time: fifty pods
 * that start at once make some two hundred writes, and the machine's two cores are for the agents.
 */
export interface KubeApi {
  /** The object, or undefined if it is not there (404). */
  get<T>(path: string): Promise<T | undefined>
  send(call: ApiCall): Promise<ApiAnswer>
  /** Streams watch events, one JSON object each, until the server ends the stream or the signal comes. */
  stream(path: string, signal: AbortSignal, onObject: (object: unknown) => void): Promise<void>
  close(): void
}

interface ApiCall {
  readonly method: 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly path: string
  readonly body: unknown
  /** application/json unless given. */
  readonly contentType?: string
}
interface ApiAnswer {
  readonly status: number
  readonly body: unknown
}

export const strategicMergePatch = 'application/strategic-merge-patch+json'

/** The API server answered with an error. */
export class KubeApiError extends Error {
  readonly status: number

  constructor(what: string, status: number, body: string) {
    super(`${what}: HTTP ${status}: ${body.slice(0, 300)}`)
    this.name = 'KubeApiError'
    this.status = status
  }
}

/** Longest silence of a watch: the API server sends a bookmark about every minute. */
const watchSilenceMs = 150_000
const requestTimeoutMs = 15_000

/** More calls at once would wait for each other in the API server of a small machine. */
const usualConnections = 16

/** `connections`: calls that may be under way at once, watches aside. */
export async function createKubeApi(
  kubeconfigPath: string,
  { connections = usualConnections } = {},
): Promise<KubeApi> {
  const kubeConfig = new KubeConfig()
  kubeConfig.loadFromFile(kubeconfigPath)
  const server = new URL(kubeConfig.getCurrentCluster()?.server ?? 'https://127.0.0.1')
  const credentials: RequestOptions = {}
  await kubeConfig.applyToHTTPSOptions(credentials)
  const { ca, cert, key } = credentials
  const authorization = credentials.headers as Record<string, string> | undefined
  const secure = server.protocol === 'https:'
  const agent = secure
    ? new HttpsAgent({ keepAlive: true, maxSockets: connections, ca, cert, key })
    : new HttpAgent({ keepAlive: true, maxSockets: connections })

  interface Opening extends Omit<RequestOptions, 'headers'> {
    readonly headers?: Readonly<Record<string, string | number>>
  }

  function open(path: string, options: Opening, body?: string): Promise<IncomingMessage> {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
    const headers = { accept: 'application/json', ...authorization, ...options.headers }
    const call = secure ? httpsRequest : httpRequest
    const request = call(new URL(path, server), { agent, ...options, headers }, resolve)
    request.on('timeout', () => request.destroy(new Error(`no answer from the API server: ${path}`)))
    request.on('error', reject)
    request.end(body)
    return promise
  }

  async function send({ method, path, body, contentType = 'application/json' }: ApiCall): Promise<ApiAnswer> {
    const payload = JSON.stringify(body)
    const headers = { 'content-type': contentType, 'content-length': Buffer.byteLength(payload) }
    const response = await open(path, { method, headers, timeout: requestTimeoutMs }, payload)
    const answer = await text(response)
    return { status: response.statusCode ?? 0, body: answer === '' ? undefined : JSON.parse(answer) }
  }

  return {
    get: async <T>(path: string) => {
      const response = await open(path, { timeout: requestTimeoutMs })
      const answer = await text(response)
      if (response.statusCode === 404) return undefined
      if (response.statusCode !== 200) throw new KubeApiError(`GET ${path}`, response.statusCode ?? 0, answer)
      return JSON.parse(answer) as T
    },
    send,
    stream: async (path, signal, onObject) => {
      const response = await open(path, { signal, timeout: watchSilenceMs, agent: undefined, ca, cert, key })
      if (response.statusCode !== 200) {
        throw new KubeApiError(`GET ${path}`, response.statusCode ?? 0, await text(response))
      }
      let rest = ''
      for await (const chunk of response.setEncoding('utf8')) {
        const lines = (rest + String(chunk)).split('\n')
        rest = lines.pop() ?? ''
        for (const line of lines) if (line !== '') onObject(JSON.parse(line))
      }
    },
    close: () => agent.destroy(),
  }
}
