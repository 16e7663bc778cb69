import { randomUUID } from 'node:crypto'
import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { type ErrorCode, GreenroomError } from '../errors.ts'
import { problemMediaType, problemOf } from './problem.ts'

export function sendProblem(
  request: Pick<FastifyRequest, 'url' | 'id'>,
  reply: FastifyReply,
  error: GreenroomError,
): FastifyReply {
  const { retryAfterMs, status, code } = error
  // Clients repeat the request by themselves when an answer names a time; the API server's does so too.
  if (retryAfterMs !== undefined) reply.header('retry-after', Math.ceil(retryAfterMs / 1_000))
  if (code === 'GRN_UNAUTHENTICATED') reply.header('www-authenticate', 'Bearer realm="greenroom"')
  // For an address that cannot be decoded no hook has run.
  reply.header('x-request-id', request.id)
  const problem = problemOf(error, request.url, request.id)
  return reply.code(status).header('content-type', problemMediaType).send(JSON.stringify(problem))
}

/** All other refusals of the parser are of what is not HTTP. */
const refusalsOfParser: Readonly<Record<string, readonly [ErrorCode, string]>> = {
  HPE_HEADER_OVERFLOW: [
    'GRN_HEADERS_TOO_LARGE',
    'The address and the headers together are longer than 16 KiB',
  ],
  ERR_HTTP_REQUEST_TIMEOUT: ['GRN_INVALID_REQUEST', 'The request did not arrive in time'],
}

/** Answers what Node's HTTP parser refused: there is no request yet, only a socket. */
export function sendProblemOfParser(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return
  const [code, detail] = refusalsOfParser[error.code ?? ''] ?? [
    'GRN_INVALID_REQUEST',
    'This is not an HTTP request',
  ]
  const refusal = new GreenroomError(code, detail, { cause: error })
  const { status } = refusal
  const requestId = randomUUID()
  const body = JSON.stringify(problemOf(refusal, '', requestId))
  if (socket.writable) {
    socket.write(
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\nContent-Type: ${problemMediaType}\r\n` +
        `X-Request-Id: ${requestId}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    )
  }
  socket.destroy(error)
}
