/**
 * Why the API server did not write. Something outside the pod: `quota` exhausted, a `limit-range` that it breaks, a
 * `webhook` that did not answer, the `api` server itself or its namespace, `forbidden` by RBAC or by a namespace that goes.
 * Or the pod: `denied` by admission (a webhook, PodSecurity, a class that does not exist), `invalid` manifest.
 */
export type PodWriteReason = 'quota' | 'limit-range' | 'webhook' | 'api' | 'forbidden' | 'denied' | 'invalid'

interface PodWriteErrorOptions {
  readonly cause?: unknown
  readonly retryAfterMs?: number | undefined
  /** True if the write was certainly not done: it was refused, or never sent. Without an answer it may have been done. */
  readonly answered: boolean
  readonly blamesPod?: boolean
}

/** `message` is the API server's own sentence. */
export class PodWriteError extends Error {
  readonly reason: PodWriteReason
  /** The same write may succeed later, with manifest, policy and permissions unchanged. */
  readonly retryable: boolean
  readonly retryAfterMs: number | undefined
  readonly answered: boolean
  /** True if the refusal is about what the pod says: only another template or policy helps. */
  readonly blamesPod: boolean

  constructor(reason: PodWriteReason, message: string, options: PodWriteErrorOptions) {
    super(message, { cause: options.cause })
    this.name = 'PodWriteError'
    this.reason = reason
    this.retryable = ['quota', 'limit-range', 'webhook', 'api'].includes(reason)
    this.retryAfterMs = options.retryAfterMs
    this.answered = options.answered
    this.blamesPod = options.blamesPod ?? (reason === 'denied' || reason === 'invalid')
  }
}
