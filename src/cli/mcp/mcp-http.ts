import { hash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { ReadableStream } from 'node:stream/web'
import { createMcpHandler, localhostAllowedHostnames, validateHostHeader } from '@modelcontextprotocol/server'
import { GreenroomError } from '../../errors.ts'
import type { DoctorReport } from '../doctor-report.ts'
import type { SessionKeeper } from './kept-sessions.ts'
import { createMcpServer } from './mcp-server.ts'
import type { ToolCall } from './mcp-tool.ts'
import { failedToolResult } from './tool-result.ts'

/** A call is a name and a text of at most 8,000 characters. */
const mostBodyBytes = 256 * 1024
const path = '/mcp'
/** JSON-RPC's. */
const invalidRequest = -32_600

interface McpHttpOptions {
  readonly host: string
  readonly port: number
  /** Whose pages may call; a browser sends its page's with each request. */
  readonly origins: readonly string[]
  /** Of the session API. */
  readonly url: string
  readonly keeper: SessionKeeper
  readonly doctor: (call: Pick<ToolCall, 'get'>) => Promise<DoctorReport>
}

interface McpHttpServer {
  /** `http://127.0.0.1:3003/mcp` */
  readonly address: string
  close(): Promise<void>
}

/**
 * Streamable HTTP, without sessions of the protocol: any replica can answer any call but say. Each caller sends its own key as
 * a bearer, and it goes to the session API as it is; this server has no key.
 */
export async function serveMcpHttp(options: McpHttpOptions): Promise<McpHttpServer> {
  const { host, port, url, keeper, doctor } = options
  const handler = createMcpHandler(
    ({ authInfo }) => {
      const apiKey = authInfo?.token ?? ''
      const sessions = keeper.of(hash('sha256', apiKey))
      return createMcpServer({ url, apiKey, sessions, doctor })
    },
    { maxRequestBodySize: mostBodyBytes },
  )
  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    allowOrigin(request, response, options)
    const refused = refusalOf(request, options)
    if (refused) return refuse(response, refused)
    if (request.method === 'OPTIONS') return void response.writeHead(204).end()
    const token = bearerOf(request)
    if (token === undefined) return refuse(response, unauthenticated)
    const gone = new AbortController()
    response.once('close', () => gone.abort(new Error('the caller is gone')))
    const asked = webRequest(request, gone.signal)
    const answered = await handler.fetch(asked, { authInfo: { token, clientId: '', scopes: [] } })
    response.writeHead(answered.status, Object.fromEntries(answered.headers))
    if (!answered.body) return void response.end()
    await pipeline(Readable.fromWeb(answered.body as ReadableStream), response)
  }

  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      // A caller that goes away in the middle is no fault.
      if (!response.destroyed)
        process.stderr.write(`GRN_INTERNAL: A call was not answered: ${(error as Error).message}\n`)
      response.destroy()
    })
  })
  const boundPort = await portOf(server, port, host)
  return {
    address: `http://${host.includes(':') ? `[${host}]` : host}:${boundPort}${path}`,
    async close() {
      await handler.close()
      server.closeAllConnections()
      await new Promise((done) => server.close(done))
    },
  }
}

/** Listens; throws GRN_INVALID_CONFIG where it cannot. */
async function portOf(server: Server, port: number, host: string): Promise<number> {
  server.listen(port, host)
  await once(server, 'listening').catch((error: unknown) => {
    const sentence = `The MCP server cannot listen: ${(error as Error).message}.`
    throw new GreenroomError('GRN_INVALID_CONFIG', sentence, { cause: error })
  })
  const bound = server.address()
  return typeof bound === 'object' && bound ? bound.port : port
}

/** What a browser wants to know before it lets a page of an allowed origin call, and read the answer. */
function allowOrigin(
  { headers }: IncomingMessage,
  response: ServerResponse,
  { origins }: McpHttpOptions,
): void {
  const { origin, 'access-control-request-headers': wanted = '' } = headers
  if (origin === undefined || !origins.includes(origin)) return
  response.setHeader('access-control-allow-origin', origin)
  response.setHeader('vary', 'origin')
  response.setHeader('access-control-allow-methods', 'POST')
  // The protocol has headers of its own, and more with each version.
  if (/^[a-z0-9, -]{1,500}$/i.test(wanted)) response.setHeader('access-control-allow-headers', wanted)
}

interface Refusal {
  readonly status: number
  readonly error: GreenroomError
}

const unauthenticated: Refusal = { status: 401, error: new GreenroomError('GRN_UNAUTHENTICATED') }

/** A page in a browser must not reach this server unless its origin is named, whatever name it calls this machine by. */
function refusalOf(
  { url, headers }: IncomingMessage,
  { host, origins }: McpHttpOptions,
): Refusal | undefined {
  const { origin } = headers
  if (origin !== undefined && !origins.includes(origin))
    return forbidden('Pages of this origin may not call this server.')
  if (isLoopback(host) && !validateHostHeader(headers.host, localhostAllowedHostnames()).ok)
    return forbidden('This server is called by the names of this machine only.')
  if (url?.split('?')[0] !== path)
    return { status: 404, error: new GreenroomError('GRN_NOT_FOUND', `The address is ${path}.`) }
  return undefined
}

function forbidden(message: string): Refusal {
  return { status: 403, error: new GreenroomError('GRN_FORBIDDEN', message) }
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.')
}

function bearerOf({ headers }: IncomingMessage): string | undefined {
  return /^Bearer ([^\s]{1,8192})$/i.exec(headers.authorization ?? '')?.[1]
}

function refuse(response: ServerResponse, { status, error }: Refusal): void {
  const { structuredContent: data } = failedToolResult(error)
  response.writeHead(status, {
    'content-type': 'application/json',
    ...(status === 401 && { 'www-authenticate': 'Bearer' }),
  })
  response.end(
    JSON.stringify({
      jsonrpc: '2.0',
      id: null,
      error: { code: invalidRequest, message: error.message, data },
    }),
  )
}

function webRequest(request: IncomingMessage, signal: AbortSignal): Request {
  const { method = 'GET', url = '/', headers } = request
  const hasBody = method !== 'GET' && method !== 'HEAD'
  const pairs = Object.entries(headers).flatMap(([name, value]): [string, string][] =>
    value === undefined ? [] : [[name, String(value)]],
  )
  return new Request(new URL(url, 'http://localhost'), {
    method,
    headers: pairs,
    signal,
    ...(hasBody && { body: Readable.toWeb(request) as NonNullable<RequestInit['body']>, duplex: 'half' }),
  })
}
