import { type Api, type CallOptions, type ClientOptions, createApi } from './api-call.ts'
import type { BatchResult, BatchView, OpenRequest, SessionView } from './api-types.ts'
import { GreenroomApiError, isOutcomeUnknown } from './client-error.ts'
import { ClientSession } from './client-session.ts'

export type { BatchResult, OpenRequest } from './api-types.ts'
export { GreenroomApiError } from './client-error.ts'
export type { ClientSession } from './client-session.ts'

/** A module of its own: batches are opened by backends, and a page downloads nothing of it. */

export interface BatchOptions extends CallOptions {
  /** Names this batch over all its tries; random unless given. */
  readonly idempotencyKey?: string | undefined
}

export interface Batches {
  /** As many sessions as requests, up to 50, or none: throws when one of them cannot be opened. */
  openAll(requests: readonly OpenRequest[], options?: BatchOptions): Promise<readonly ClientSession[]>
  /** As many of them as there are pods; in the place of each other one stands why there is no session. */
  openAvailable(
    requests: readonly OpenRequest[],
    options?: BatchOptions,
  ): Promise<readonly (ClientSession | GreenroomApiError)[]>
}

const defaultTimeoutMs = 30_000
/** How long a batch that nobody waits for any more is asked for, to end the sessions that it may have opened. */
const lateMs = 5_000

/** Several sessions in one request. The leases of all of them are renewed until they are over, as by `client.open`. */
export function createBatches(options: ClientOptions): Batches {
  const api = createApi(options)
  return {
    async openAll(requests, batchOptions) {
      const { results } = await post(api, { sessions: requests, atomic: true }, batchOptions)
      return results.flatMap(({ session }) => (session ? [new ClientSession(api, session)] : []))
    },
    async openAvailable(requests, batchOptions = {}) {
      const { results } = await post(api, { sessions: requests, atomic: false }, batchOptions)
      return Promise.all(results.map((result) => sessionOf(api, result, batchOptions)))
    },
  }
}

/** Posts until it is answered or refused for good; all tries mean the same sessions. */
async function post(
  api: Api,
  body: { readonly sessions: readonly OpenRequest[]; readonly atomic: boolean },
  { idempotencyKey = crypto.randomUUID(), requestTimeoutMs = defaultTimeoutMs, signal }: BatchOptions = {},
): Promise<BatchView> {
  const headers = { 'idempotency-key': idempotencyKey }
  const request = { method: 'POST', path: '/v1/sessions:batch', body, headers } as const
  try {
    return await api.call<BatchView>(request, { requestTimeoutMs, signal })
  } catch (error) {
    const isUnknown = !(error instanceof GreenroomApiError) || isOutcomeUnknown(error)
    if (isUnknown)
      api
        .call<BatchView>(request, { requestTimeoutMs: lateMs })
        .then(({ results }) =>
          Promise.all(results.map(async ({ session }) => session && new ClientSession(api, session).end())),
        )
        // Not told: nobody waits, and what is open ends with its lease.
        .catch(() => undefined)
    throw error
  }
}

async function sessionOf(
  api: Api,
  { status, session: view, problem }: BatchResult,
  options: CallOptions,
): Promise<ClientSession | GreenroomApiError> {
  if (view) return untilActive(api, view, options)
  const { code = 'GRN_INTERNAL', detail = code, remedy, requestId, retryAfterMs } = problem ?? {}
  return new GreenroomApiError(detail, {
    code,
    retryable: status >= 500 || status === 429,
    retryAfterMs,
    remediation: remedy,
    status,
    requestId,
  })
}

/** A cold open is waited for. One that gets no pod is ended. */
async function untilActive(
  api: Api,
  view: SessionView,
  options: CallOptions,
): Promise<ClientSession | GreenroomApiError> {
  const session = new ClientSession(api, view)
  try {
    const { status, endReason } = await session.untilActive(options)
    if (status === 'ACTIVE') return session
    return new GreenroomApiError(`The session ended before it became ACTIVE: ${endReason ?? 'unknown'}.`, {
      code: 'GRN_CLIENT_OPEN_FAILED',
      retryable: true,
      remediation: 'Open a new session. GET /v1/pools tells why a pool has no pods.',
    })
  } catch (error) {
    session.end().catch(() => undefined)
    if (error instanceof GreenroomApiError) return error
    throw error
  }
}
