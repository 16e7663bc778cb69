import type { FastifyReply, FastifyRequest } from 'fastify'
import { type ErrorCode, GreenroomError } from '../errors.ts'
import { problemMediaType, problemOf } from '../serving/problem.ts'

/** Fastify's own refusals by status; every other 4xx of its body parser means that the JSON is broken. */
function codeOf(error: unknown): ErrorCode {
  const statusCode = error instanceof Error && 'statusCode' in error ? Number(error.statusCode) : 500
  if (statusCode === 413) return 'GRN_BODY_TOO_LARGE'
  if (statusCode === 415) return 'GRN_UNSUPPORTED_MEDIA_TYPE'
  return statusCode >= 400 && statusCode < 500 ? 'GRN_BAD_JSON' : 'GRN_INTERNAL'
}

/** Any error as one of the catalogue; what we did not expect keeps its text to itself (it may hold anything). */
export function greenroomErrorFrom(error: unknown): GreenroomError {
  if (error instanceof GreenroomError) return error
  return new GreenroomError(codeOf(error), undefined, { cause: error })
}

export function sendProblem(
  reply: FastifyReply,
  request: FastifyRequest,
  error: GreenroomError,
): FastifyReply {
  // The API server's client asks again by itself when an answer says when.
  if (error.retryAfterMs !== undefined) void reply.header('retry-after', Math.ceil(error.retryAfterMs / 1000))
  return reply
    .code(error.status)
    .type(problemMediaType)
    .send(problemOf(error, request.url, request.id))
}
