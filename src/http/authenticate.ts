import type { FastifyRequest } from 'fastify'
import { GreenroomError } from '../errors.ts'
import type { SessionRight, SessionTokens } from '../sessions/session-token.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Set when an agent's session token let this request in. */
    sessionRight: SessionRight | undefined
  }
  interface FastifyContextConfig {
    /** This route may be called with the session token of its session. */
    sessionToken?: boolean
    /** LiveKit signs what it sends here; the route checks that itself. */
    signedByLiveKit?: boolean
  }
}

export interface Credentials {
  readonly isApiKey: (key: string) => boolean
  readonly sessionTokens: Pick<SessionTokens, 'verify'>
  /** Whether the description of the API needs no key. */
  readonly publicDocument: boolean
}

/** /v1 needs an API key, and so does its description unless it is public. What an agent does with its session may be done with that session's own token as well. */
export async function authenticate(request: FastifyRequest, credentials: Credentials): Promise<void> {
  // By the route, not by the address: `/%761/sessions` and `http://host/v1/sessions` lead to the same route.
  const { url = request.url, config } = request.routeOptions
  const isDocument = url === '/openapi.json' || /^\/docs(\/|$)/.test(url)
  if (config.signedByLiveKit) return
  if (!url.startsWith('/v1/') && (!isDocument || credentials.publicDocument)) return
  const bearer = /^Bearer (\S{1,512})$/i.exec(request.headers.authorization ?? '')?.[1]
  if (bearer !== undefined) {
    const right = config.sessionToken ? credentials.sessionTokens.verify(bearer) : undefined
    if (right && right.sessionId === (request.params as { id?: string }).id) {
      request.sessionRight = right
      return
    }
    if (credentials.isApiKey(bearer)) return
  }
  throw new GreenroomError('GRN_UNAUTHENTICATED')
}
