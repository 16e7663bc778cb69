import type { FastifyContextConfig, FastifyRequest } from 'fastify'
import { type Caller, isGranted, type Scope } from '../domain/caller.ts'
import { GreenroomError } from '../errors.ts'
import type { BrowserRight, BrowserTokens } from '../sessions/browser-token.ts'
import type { SessionRight, SessionTokens } from '../sessions/session-token.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Set when an agent's session token let this request in. */
    sessionRight: SessionRight | undefined
    /** Set when a browser's token of this session let this request in. It is a request of the caller, through its user. */
    browserRight: BrowserRight | undefined
    /** Set when the credential of a caller let this request in. */
    caller: Caller | undefined
  }
  interface FastifyContextConfig {
    /**
     * What a caller's credential must be good for; `any`: nothing in particular. Every route under /v1 has one, or is signed by
     * LiveKit.
     */
    needs?: Scope | 'any'
    /** This concerns every project, so a credential that is bound to one is not enough. */
    everyProject?: boolean
    /** This route may be called with the session token of its session. */
    sessionToken?: boolean
    /** This route may be called with a browser's token of its session. */
    browserToken?: boolean
    /** LiveKit signs what it sends here; the route checks that itself. */
    signedByLiveKit?: boolean
  }
}

export interface Credentials {
  /** Whose credential this is; undefined: nobody's. */
  readonly identify: (bearer: string) => Caller | undefined | Promise<Caller | undefined>
  readonly sessionTokens: Pick<SessionTokens, 'verify'>
  readonly browserTokens: BrowserTokens
  /** Whether the description of the API needs no key. */
  readonly publicDocument: boolean
}

/** 8 KiB: tokens of issuers that list many groups have some KiB, and Node reads 16 KiB of headers. */
const bearerPattern = /^Bearer (\S{1,8192})$/i

/**
 * /v1 needs a caller's credential with the scope of the route, and so does its description (with any scope) unless it is
 * public. What an agent does with its session may be done with that session's own token as well, and what a user's browser
 * does with it, with a browser's token.
 */
export async function authenticate(request: FastifyRequest, credentials: Credentials): Promise<void> {
  // By the route, not by the address: `/%761/sessions` and `http://host/v1/sessions` lead to the same route.
  const { url = request.url, config } = request.routeOptions
  const isDocument = url === '/openapi.json' || /^\/docs(\/|$)/.test(url)
  if (config.signedByLiveKit) return
  if (!url.startsWith('/v1/') && (!isDocument || credentials.publicDocument)) return
  const bearer = bearerPattern.exec(request.headers.authorization ?? '')?.[1]
  if (bearer === undefined) throw new GreenroomError('GRN_UNAUTHENTICATED')
  if (takeRight(request, bearer, credentials)) return
  const caller = await credentials.identify(bearer)
  if (!caller) throw new GreenroomError('GRN_UNAUTHENTICATED')
  assertGranted(caller, config)
  request.caller = caller
}

/** Whether this is the token of the agent or of the browser of the session that the request is about. */
function takeRight(
  request: FastifyRequest,
  bearer: string,
  { sessionTokens, browserTokens }: Credentials,
): boolean {
  const { config } = request.routeOptions
  const { id } = request.params as { id?: string }
  const ofAgent = config.sessionToken ? sessionTokens.verify(bearer) : undefined
  if (ofAgent && ofAgent.sessionId === id) request.sessionRight = ofAgent
  const ofBrowser = config.browserToken ? browserTokens.verify(bearer) : undefined
  if (ofBrowser && ofBrowser.sessionId === id) request.browserRight = ofBrowser
  return request.sessionRight !== undefined || request.browserRight !== undefined
}

/** Throws GRN_FORBIDDEN if the credential is good, but not for this route. */
function assertGranted(caller: Caller, { needs, everyProject }: FastifyContextConfig): void {
  if (needs !== undefined && needs !== 'any' && !isGranted(caller, needs))
    throw new GreenroomError('GRN_FORBIDDEN', `This needs the scope ${needs}.`)
  if (everyProject && caller.projectId !== undefined)
    throw new GreenroomError(
      'GRN_FORBIDDEN',
      'This concerns every project, and the credential is bound to one.',
    )
}

/** To be called when a route is added, so that none is open to every credential by oversight. */
export function hasScope({
  url,
  config,
}: {
  readonly url: string
  readonly config?: FastifyContextConfig
}): boolean {
  return !url.startsWith('/v1/') || config?.needs !== undefined || config?.signedByLiveKit === true
}
