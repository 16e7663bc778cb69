import { type CallOptions, createApi, sessionPath } from './api-call.ts'
import type { SessionView } from './api-types.ts'
import { ClientSession } from './client-session.ts'

export interface AttachOptions {
  /** Address of the session API. It must allow the origin of the page: GREENROOM_CORS_ORIGINS. */
  readonly url: string
  readonly sessionId: string
  /** The browser's token of this session, or what gives the latest one: your backend mints another before it expires. */
  readonly token: string | (() => string)
  /** Instead of the global fetch. */
  readonly fetch?: typeof fetch | undefined
}

/**
 * For the page of a user, whose backend opened the session and handed over its token. The lease is renewed from here until
 * the session is over, as by the backend that opened it.
 */
export async function attachSession(
  { url, sessionId, token, fetch: given }: AttachOptions,
  options?: CallOptions,
): Promise<ClientSession> {
  const api = createApi({ url, apiKey: token, fetch: given })
  const view = await api.call<SessionView>({ method: 'GET', path: sessionPath(sessionId) }, options)
  return new ClientSession(api, view)
}
