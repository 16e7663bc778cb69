/**
 * Why the API server did not write: `forbidden` by RBAC or by the namespace; `quota` exhausted; `denied` by admission (a
 * webhook, PodSecurity); `invalid` manifest; `unavailable` server, webhook or namespace.
 */
export type PodWriteReason = 'forbidden' | 'quota' | 'denied' | 'invalid' | 'unavailable'

interface PodWriteErrorOptions {
  readonly cause?: unknown
  readonly retryAfterMs?: number | undefined
  /** True if the API server answered and refused. Without an answer the write may have been done all the same. */
  readonly answered: boolean
}

/** `message` is the API server's own sentence. */
export class PodWriteError extends Error {
  readonly reason: PodWriteReason
  /** The same write may succeed later, with manifest, policy and permissions unchanged. */
  readonly retryable: boolean
  readonly retryAfterMs: number | undefined
  readonly answered: boolean

  constructor(reason: PodWriteReason, message: string, options: PodWriteErrorOptions) {
    super(message, { cause: options.cause })
    this.name = 'PodWriteError'
    this.reason = reason
    this.retryable = reason === 'quota' || reason === 'unavailable'
    this.retryAfterMs = options.retryAfterMs
    this.answered = options.answered
  }
}
