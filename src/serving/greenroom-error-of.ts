import type { FastifyError } from 'fastify'
import { type ErrorCode, GreenroomError } from '../errors.ts'

const codeOfFastify: Readonly<Record<string, ErrorCode>> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'GRN_UNSUPPORTED_MEDIA_TYPE',
  FST_ERR_CTP_BODY_TOO_LARGE: 'GRN_BODY_TOO_LARGE',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'GRN_BAD_JSON',
  FST_ERR_CTP_INVALID_JSON_BODY: 'GRN_BAD_JSON',
}

/**
 * Maps anything that was thrown to an error of the catalogue. An unexpected error keeps its cause for the log; its text
 * may hold anything and is not answered.
 */
export function greenroomErrorOf(error: unknown): GreenroomError {
  if (error instanceof GreenroomError) return error
  const { code, statusCode, message } = (error ?? {}) as Partial<FastifyError>
  const known = codeOfFastify[code ?? '']
  if (known) return new GreenroomError(known, undefined, { cause: error })
  // The JSON parser's own refusal.
  if (error instanceof SyntaxError && statusCode === 400)
    return new GreenroomError('GRN_BAD_JSON', undefined, { cause: error })
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500)
    return new GreenroomError('GRN_INVALID_REQUEST', message, { cause: error })
  return new GreenroomError('GRN_INTERNAL', undefined, { cause: error })
}
