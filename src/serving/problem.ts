import { type ErrorCode, errorCatalogue, type GreenroomError } from '../errors.ts'

/** RFC 9457 problem+json, with our stable code and the id that finds the request in the log. */
export interface Problem {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly instance: string
  readonly code: ErrorCode
  readonly requestId: string
  readonly retryAfterMs?: number
}

export const problemMediaType = 'application/problem+json'

/** `url` may have a query, which is left out: it may hold what a client should not have put there. */
export function problemOf(error: GreenroomError, url: string, requestId: string): Problem {
  const { retryAfterMs, status, code } = error
  return {
    type: `urn:greenroom:error:${code}`,
    title: errorCatalogue[code].title,
    status,
    detail: `${error.message.replace(/\.$/, '')}. ${error.remedy}`,
    instance: url.split('?', 1)[0] ?? '',
    code,
    requestId,
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  }
}
