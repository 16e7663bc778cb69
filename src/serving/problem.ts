import { type Static, Type } from 'typebox'
import { type ErrorCode, errorCatalogue } from '../error-catalogue.ts'
import type { GreenroomError } from '../errors.ts'

/** RFC 9457 problem+json, with our stable code and the id that finds the request in the log. */
export const Problem = Type.Object({
  type: Type.String(),
  title: Type.String(),
  status: Type.Integer(),
  detail: Type.String(),
  instance: Type.String(),
  code: Type.Unsafe<ErrorCode>(Type.String({ description: 'GRN_*, stable.' })),
  requestId: Type.String(),
  remedy: Type.String({ description: 'What to do about it; the end of `detail` as well.' }),
  retryAfterMs: Type.Optional(Type.Integer()),
})
export type Problem = Static<typeof Problem>

export const problemMediaType = 'application/problem+json'

export function problemOf(error: GreenroomError, url: string, requestId: string): Problem {
  const { retryAfterMs, status, code } = error
  return {
    type: `urn:greenroom:error:${code}`,
    title: errorCatalogue[code].title,
    status,
    detail: `${error.message.replace(/\.$/, '')}. ${error.remedy}`,
    instance: pathOf(url),
    code,
    requestId,
    remedy: error.remedy,
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  }
}

/** The address without its query, which may hold what a client should not have put there. */
export function pathOf(url: string): string {
  return url.split('?', 1)[0] ?? ''
}
