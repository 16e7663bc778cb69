import { randomUUID } from 'node:crypto'
import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { type ErrorCode, GreenroomError } from '../errors.ts'
import { problemMediaType, problemOf } from './problem.ts'

const codeOfFastify: Readonly<Record<string, ErrorCode>> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'GRN_UNSUPPORTED_MEDIA_TYPE',
  FST_ERR_CTP_BODY_TOO_LARGE: 'GRN_BODY_TOO_LARGE',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'GRN_BAD_JSON',
  FST_ERR_CTP_INVALID_JSON_BODY: 'GRN_BAD_JSON',
}

/** Whatever was thrown, as one of ours. What we did not foresee keeps its cause for the log and shows none of it. */
export function greenroomErrorOf(error: unknown): GreenroomError {
  if (error instanceof GreenroomError) return error
  const { code, statusCode, message } = (error ?? {}) as Partial<FastifyError>
  const known = codeOfFastify[code ?? '']
  if (known) return new GreenroomError(known, undefined, { cause: error })
  if (error instanceof SyntaxError && statusCode === 400)
    return new GreenroomError('GRN_BAD_JSON', undefined, { cause: error })
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return new GreenroomError('GRN_INVALID_REQUEST', message, { cause: error })
  }
  return new GreenroomError('GRN_INTERNAL', undefined, { cause: error })
}

/** For `fastify()`: what is refused before a route is found reads like every other refusal. */
export const problemOptions = {
  genReqId: () => randomUUID(),
  /** While the server closes, requests on open connections are served like those before; fastify's own 503 is not. */
  return503OnClosing: false,
  /** An address that cannot be decoded or has an endless part. */
  frameworkErrors(error: FastifyError, request: FastifyRequest, reply: FastifyReply): void {
    void sendProblem(request, reply, greenroomErrorOf(error))
  },
  clientErrorHandler: answerUnreadable,
}

/** What Node's parser refused: there is no request, only a socket. */
function answerUnreadable(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return
  const detail = unreadable[error.code ?? ''] ?? 'This is not an HTTP request'
  const body = JSON.stringify(
    problemOf(new GreenroomError('GRN_INVALID_REQUEST', detail, { cause: error }), '', randomUUID()),
  )
  if (socket.writable) {
    socket.write(
      `HTTP/1.1 400 ${STATUS_CODES[400]}\r\nConnection: close\r\nContent-Type: ${problemMediaType}\r\n` +
        `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    )
  }
  socket.destroy(error)
}

const unreadable: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: 'The address and the headers together are longer than 16 KiB',
  ERR_HTTP_REQUEST_TIMEOUT: 'The request did not arrive in time',
}

export function installProblems(app: FastifyInstance): void {
  app.setErrorHandler((thrown, request, reply) => {
    const error = greenroomErrorOf(thrown)
    const details = { code: error.code, err: error.status >= 500 ? thrown : undefined, detail: error.message }
    if (error.status >= 500 && error.retryAfterMs === undefined) request.log.error(details, 'request failed')
    else request.log.info(details, 'request refused')
    return sendProblem(request, reply, error)
  })
  app.setNotFoundHandler((request, reply) =>
    sendProblem(
      request,
      reply,
      new GreenroomError('GRN_NOT_FOUND', `${request.method} ${pathOf(request)} does not exist.`),
    ),
  )
}

function sendProblem(request: FastifyRequest, reply: FastifyReply, error: GreenroomError): FastifyReply {
  const { retryAfterMs, status, code } = error
  if (retryAfterMs !== undefined) reply.header('retry-after', Math.ceil(retryAfterMs / 1_000))
  if (code === 'GRN_UNAUTHENTICATED') reply.header('www-authenticate', 'Bearer realm="greenroom"')
  const problem = problemOf(error, request.url, request.id)
  return reply.code(status).header('content-type', problemMediaType).send(JSON.stringify(problem))
}

/** Without the query: it may hold what a client should not have put there. */
function pathOf(request: FastifyRequest): string {
  return request.url.split('?', 1)[0] ?? ''
}
