import type { IncomingMessage, ServerResponse } from 'node:http'
import { AgentError } from './agent-error.ts'

/** The session API's own limit: an assignment is a session's metadata and secrets plus a few tokens. */
const maxBodyBytes = 256 * 1024
/** So much of a body that is too large is read and dropped, so that the sender sees the 413 and not a reset. */
const maxDiscardedBytes = 1024 * 1024

export interface AgentReply {
  readonly status: number
  readonly json?: unknown
  readonly text?: string
  readonly contentType?: string
}

/** @throws AgentError AGENT_BODY_TOO_LARGE beyond 256 KiB */
export async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes <= maxBodyBytes) chunks.push(chunk)
    if (bytes > maxDiscardedBytes) break
  }
  if (bytes > maxBodyBytes) throw new AgentError('AGENT_BODY_TOO_LARGE', `more than ${maxBodyBytes} bytes`)
  return Buffer.concat(chunks, bytes)
}

export function sendReply(response: ServerResponse, reply: AgentReply): void {
  const body = reply.text ?? JSON.stringify(reply.json ?? {})
  const contentType = reply.contentType ?? (reply.text === undefined ? 'application/json' : 'text/plain')
  response.writeHead(reply.status, {
    'content-type': contentType,
    'content-length': Buffer.byteLength(body),
  })
  response.end(body)
}

export function problemReply(error: AgentError): AgentReply {
  return { status: error.status, json: error.problem, contentType: 'application/problem+json' }
}

/** Matches `/sessions/:sessionId/echo`-like patterns; the parameters, or undefined when the path is another. */
export function matchPath(pattern: string, path: string): Record<string, string> | undefined {
  const expected = pattern.split('/')
  const segments = path.split('/')
  if (expected.length !== segments.length) return undefined
  const params: Record<string, string> = {}
  for (const [index, part] of expected.entries()) {
    const segment = segments[index] ?? ''
    if (part.startsWith(':')) params[part.slice(1)] = segment
    else if (part !== segment) return undefined
  }
  return params
}
