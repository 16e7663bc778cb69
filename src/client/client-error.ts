import type { ErrorCode } from './api-types.ts'

/** What the client itself found; every other code is one of docs/errors.md. */
export type ClientErrorCode =
  /** No answer within the deadline. */
  | 'GRN_CLIENT_TIMEOUT'
  /** No connection, or it was cut. */
  | 'GRN_CLIENT_UNREACHABLE'
  /** An answer that is not Greenroom's, such as a proxy's page. */
  | 'GRN_CLIENT_BAD_ANSWER'
  /** The session ended before it became ACTIVE. */
  | 'GRN_CLIENT_OPEN_FAILED'
  /** This Greenroom has no LiveKit. */
  | 'GRN_CLIENT_NO_LIVEKIT'

interface ErrorFacts {
  // The last member keeps the others in an editor's suggestions and lets codes of newer servers through.
  readonly code: ErrorCode | ClientErrorCode | (string & Record<never, never>)
  readonly retryable?: boolean
  readonly retryAfterMs?: number | undefined
  readonly remediation?: string | undefined
  readonly status?: number | undefined
  readonly requestId?: string | undefined
  readonly cause?: unknown
}

/** Every failure of a call. `message` is the sentence for this case. */
export class GreenroomApiError extends Error {
  declare readonly code: ErrorFacts['code']
  /** Whether the same call may succeed later. The client has repeated it already, until its deadline. */
  declare readonly retryable: boolean
  /** When a retry is worthwhile, if the server told. */
  declare readonly retryAfterMs: number | undefined
  /** What to do about it. */
  declare readonly remediation: string
  /** The HTTP status; undefined when there was no answer. */
  declare readonly status: number | undefined
  /** Finds the request in the server's log. */
  declare readonly requestId: string | undefined

  constructor(message: string, facts: ErrorFacts) {
    super(message, { cause: facts.cause })
    const { retryable = false, remediation = '' } = facts
    // In one step: each assignment by name would be downloaded by every page.
    Object.assign(this, facts, { name: 'GreenroomApiError', retryable, remediation })
  }
}

/** Whether the server may have done what it was asked although no answer of its own came. */
export function isOutcomeUnknown({ code }: GreenroomApiError): boolean {
  return code.startsWith('GRN_CLIENT_')
}
