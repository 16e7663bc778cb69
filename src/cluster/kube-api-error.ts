import { GreenroomError } from '../errors.ts'

/** What the API server said, or that it said nothing. `message` is its own sentence; request bodies never appear. */
export class KubeApiError extends Error {
  /** HTTP status; undefined when there was no answer (refused, cut, timed out). */
  readonly status: number | undefined
  /** Machine-readable reason of the Status object: `Conflict`, `Expired`, `Forbidden`, … */
  readonly reason: string | undefined
  /** The server's Retry-After. */
  readonly retryAfterMs: number | undefined
  /** False if the request certainly never left: there was no connection. */
  readonly sent: boolean

  constructor(message: string, options: KubeApiErrorOptions = {}) {
    super(message, { cause: options.cause })
    this.name = 'KubeApiError'
    this.status = options.status
    this.reason = options.reason
    this.retryAfterMs = options.retryAfterMs
    this.sent = options.sent ?? true
  }
}

interface KubeApiErrorOptions {
  readonly status?: number | undefined
  readonly reason?: string | undefined
  readonly retryAfterMs?: number | undefined
  readonly sent?: boolean
  readonly cause?: unknown
}

/** Reads a `Status` object. A body that is none (a proxy's page) gives a sentence with the HTTP status alone. */
export function kubeApiErrorFrom(status: number, body: string, retryAfter?: string): KubeApiError {
  const said = statusObject(body)
  const seconds = Number(retryAfter ?? said?.details?.retryAfterSeconds)
  return new KubeApiError(said?.message ?? `the API server answered ${status}`, {
    status,
    reason: said?.reason,
    retryAfterMs: Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : undefined,
  })
}

/** True for an answer with this status, whoever threw it. */
export function hasStatus(error: unknown, ...statuses: readonly number[]): boolean {
  return error instanceof KubeApiError && error.status !== undefined && statuses.includes(error.status)
}

/** What was asked for, or undefined if the API server says that it is not there (404). */
export async function unlessMissing<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer
  } catch (error) {
    if (hasStatus(error, 404)) return undefined
    throw error
  }
}

/** For answers without which a command or a check cannot go on. Throws GRN_KUBERNETES_UNAVAILABLE or GRN_CLUSTER_FORBIDDEN. */
export async function orUnavailable<T>(answer: Promise<T>, what = ''): Promise<T> {
  try {
    return await answer
  } catch (error) {
    const sentence = `${what}${(error as Error).message}.`
    const code = hasStatus(error, 401, 403) ? 'GRN_CLUSTER_FORBIDDEN' : 'GRN_KUBERNETES_UNAVAILABLE'
    throw new GreenroomError(code, sentence, { cause: error })
  }
}

interface StatusObject {
  readonly message?: string
  readonly reason?: string
  readonly details?: { readonly retryAfterSeconds?: number }
}

function statusObject(body: string): StatusObject | undefined {
  try {
    const parsed: unknown = JSON.parse(body)
    return typeof parsed === 'object' && parsed !== null && 'kind' in parsed && parsed.kind === 'Status'
      ? (parsed as StatusObject)
      : undefined
  } catch {
    // Not JSON: a proxy or load balancer answered. The caller makes a sentence of the status alone.
    return undefined
  }
}
