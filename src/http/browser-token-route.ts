import { Type } from 'typebox'
import type { SessionStore } from '../domain/session-ports.ts'
import { GreenroomError } from '../errors.ts'
import type { Service } from '../serving/service.ts'
import { type BrowserTokens, defaultTokenSeconds, longestTokenSeconds } from '../sessions/browser-token.ts'
import { BrowserTokenView, refusals, SessionParams } from './api-schemas.ts'
import { projectOf } from './project-of.ts'
import { browserTokenView, sessionIdOf, sessionNotFound } from './session-view.ts'

const TokenRequest = Type.Object(
  {
    expiresInSeconds: Type.Integer({
      minimum: 60,
      maximum: longestTokenSeconds,
      default: defaultTokenSeconds,
    }),
  },
  { additionalProperties: false },
)

export interface BrowserTokenDeps {
  readonly sessions: Pick<SessionStore, 'get'>
  readonly browserTokens: Pick<BrowserTokens, 'mint'>
}

export function addBrowserTokenRoute(app: Service, { sessions, browserTokens }: BrowserTokenDeps): void {
  const schema = {
    operationId: 'mintBrowserToken',
    summary: 'Mint a token with which a browser may read, renew and end this session, and join its room',
    tags: ['sessions'],
    params: SessionParams,
    body: TokenRequest,
    response: { 200: BrowserTokenView, ...refusals },
  }
  app.post(
    '/v1/sessions/:id/browser-token',
    { config: { needs: 'sessions:open' }, schema },
    async (request) => {
      const { params, body } = request
      const session = await sessions.get(sessionIdOf(params), projectOf(request))
      if (!session) throw sessionNotFound(params.id)
      if (session.status !== 'ACTIVE' && session.status !== 'PENDING')
        throw new GreenroomError('GRN_SESSION_OVER', `Session ${session.id} is ${session.status}.`)
      return browserTokenView(browserTokens.mint(session.id, body.expiresInSeconds))
    },
  )
}
