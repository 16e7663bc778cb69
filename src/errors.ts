import { type ErrorCode, errorCatalogue } from './error-catalogue.ts'

export type { ErrorCode }

interface GreenroomErrorOptions {
  readonly cause?: unknown
  /** When a retry is worthwhile, in milliseconds; answered as Retry-After (whole seconds, rounded up). */
  readonly retryAfterMs?: number
}

/** An error with a stable code. `message` is the sentence for this case; title and remedy come from the catalogue. */
export class GreenroomError extends Error {
  readonly code: ErrorCode
  readonly retryAfterMs: number | undefined

  constructor(code: ErrorCode, message?: string, options: GreenroomErrorOptions = {}) {
    super(message ?? errorCatalogue[code].title, { cause: options.cause })
    this.name = 'GreenroomError'
    this.code = code
    this.retryAfterMs = options.retryAfterMs
  }

  get status(): number {
    return errorCatalogue[this.code].status
  }

  get remedy(): string {
    return errorCatalogue[this.code].remedy
  }
}
