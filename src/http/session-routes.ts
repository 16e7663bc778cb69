import type { FastifyRequest } from 'fastify'
import type { RoomAccess } from '../domain/room-ports.ts'
import { extendsLease, type LeaseParty, type Session } from '../domain/session.ts'
import type { EndingFacts, SessionStore } from '../domain/session-ports.ts'
import { OpenRequest } from '../domain/session-request.ts'
import { GreenroomError } from '../errors.ts'
import type { Service } from '../serving/service.ts'
import type { AwaitSession } from '../sessions/await-session.ts'
import type { BrowserTokens } from '../sessions/browser-token.ts'
import type { EndCause } from '../sessions/close-session.ts'
import type { JoinSession } from '../sessions/join-session.ts'
import type { ListSessions } from '../sessions/list-sessions.ts'
import type { OpenSession } from '../sessions/open-session.ts'
import { participantOf } from '../sessions/room-tokens.ts'
import type { SessionRight } from '../sessions/session-token.ts'
import {
  EndQuery,
  EpochBody,
  ListQuery,
  OpenHeaders,
  ReadQuery,
  RenewedView,
  refusals,
  SessionList,
  SessionParams,
  SessionView,
} from './api-schemas.ts'
import type { SignalOf } from './call-signals.ts'
import { endIfUnanswered } from './end-unanswered.ts'
import type { EnterListGate } from './list-gate.ts'
import { openedView, openStatus } from './opened-view.ts'
import { projectFor, projectOf } from './project-of.ts'
import { setRateLimitHeaders } from './rate-limit-headers.ts'
import { serverTiming } from './server-timing.ts'
import type { NoteSession } from './session-audit.ts'
import {
  browserView,
  cursorAfter,
  parseCursor,
  sessionIdOf,
  sessionNotFound,
  sessionView,
} from './session-view.ts'

export interface SessionRouteDeps {
  readonly openSession: OpenSession
  readonly renewSession: (id: string, epoch: number, by: LeaseParty, projectId?: string) => Promise<Session>
  readonly closeSession: (id: string, by: EndCause, epoch?: number, facts?: EndingFacts) => Promise<Session>
  readonly joinSession: JoinSession
  readonly awaitSession: AwaitSession
  readonly sessions: Pick<SessionStore, 'get'>
  readonly listSessions: ListSessions
  readonly browserTokens: BrowserTokens
  readonly roomAccess: RoomAccess | undefined
  readonly noteSession: NoteSession
  /** What the priority of a project is worth in the queue for a pod, ms. */
  readonly headStartMs: (projectId: string | undefined) => number
}

interface RouteTools {
  readonly signalOf: SignalOf
  readonly enterListGate: EnterListGate
}

/** A graceful end takes the agent's grace period and a little more. */
const endWaitMs = 60_000
const defaultReadWaitMs = 10_000
const tags = ['sessions']

export function addSessionRoutes(app: Service, deps: SessionRouteDeps, tools: RouteTools): void {
  const { signalOf } = tools
  addOpen(app, deps, signalOf)
  addList(app, deps, tools)
  addRead(app, deps, signalOf)
  addRenew(app, deps)
  addJoined(app, deps)
  addToken(app, deps)
  addEnd(app, deps, signalOf)
}

const openDescription = [
  'With an Idempotency-Key a retry with the same body is answered with the same session (200), as long as that session lives.',
  'When it has ended or is ending, the answer is 409 GRN_KEY_USED_UP: a new open needs a new key, and GET /v1/sessions/{id} shows the ended session.',
  'Another body under the key is 422. An open that failed (503) may be tried again under its key.',
  'Without a key, a session whose answer could not be written ends at once (ended:unanswered),',
  'and its lease is held by the caller alone unless the pool says otherwise: see lease.heldBy in the answer, and renew.',
].join(' ')

function addOpen(app: Service, deps: SessionRouteDeps, signalOf: SignalOf): void {
  const { openSession, closeSession, headStartMs, browserTokens, noteSession } = deps
  const schema = {
    operationId: 'openSession',
    summary: 'Open a session on a warm pod',
    description: openDescription,
    tags,
    headers: OpenHeaders,
    body: OpenRequest,
    response: { 200: SessionView, 201: SessionView, 202: SessionView, ...refusals },
  }
  const config = { needs: 'sessions:open', canWait: true } as const
  app.post('/v1/sessions', { config, schema }, async (request, reply) => {
    const idempotencyKey = request.headers['idempotency-key']
    const projectId = projectFor(request, request.body.projectId)
    const asked = { ...request.body, ...(projectId !== undefined && { projectId }) }
    const answer = await openSession(asked, {
      idempotencyKey,
      signal: signalOf(reply),
      logger: request.log,
      trace: request.trace,
      onQuota: (quota) => setRateLimitHeaders(reply, quota),
      headStartMs: headStartMs(projectId),
    })
    if (!answer.replayed) noteSession(request.caller, 'session.open', answer.session)
    // With a key the retry finds the session; without one nobody ever would.
    if (idempotencyKey === undefined)
      endIfUnanswered(reply, { sessions: [answer.session], closeSession, logger: request.log })
    return reply
      .code(openStatus(answer))
      .header('location', `/v1/sessions/${answer.session.id}`)
      .header('server-timing', serverTiming([answer]))
      .send(openedView(answer, request.body.browserToken ? browserTokens : undefined))
  })
}

function addList(
  app: Service,
  { listSessions }: SessionRouteDeps,
  { signalOf, enterListGate }: RouteTools,
): void {
  const schema = {
    operationId: 'listSessions',
    summary: 'List sessions, newest first, without their metadata unless it is asked for',
    tags,
    querystring: ListQuery,
    response: { 200: SessionList, ...refusals },
  }
  const config = { needs: 'sessions:read', canWait: true } as const
  app.get('/v1/sessions', { config, schema }, async (request, reply) => {
    const { cursor, fields, ...filters } = request.query
    const projectId = projectFor(request, filters.projectId)
    const before = cursor === undefined ? undefined : parseCursor(cursor, projectOf(request))
    await enterListGate(reply, signalOf(reply))
    const query = { ...filters, ...(projectId !== undefined && { projectId }), ...(before && { before }) }
    const page = await listSessions(query, fields === 'metadata')
    const last = page.sessions.at(-1)
    return {
      sessions: page.sessions.map((session) => sessionView(session)),
      ...(page.hasMore && last && { nextCursor: cursorAfter(last, projectOf(request)) }),
    }
  })
}

function addRead(app: Service, { awaitSession }: SessionRouteDeps, signalOf: SignalOf): void {
  const schema = {
    operationId: 'readSession',
    summary: 'Read a session, or wait until it has a status',
    tags,
    params: SessionParams,
    querystring: ReadQuery,
    response: { 200: SessionView, ...refusals },
  }
  const config = { needs: 'sessions:read', browserToken: true } as const
  app.get('/v1/sessions/:id', { config, schema }, async (request, reply) => {
    const { waitFor, waitMs = waitFor ? defaultReadWaitMs : 0 } = request.query
    const session = await awaitSession(sessionIdOf(request.params), {
      until: ({ status }) => waitFor === undefined || status === waitFor || status === 'ENDED',
      waitMs,
      projectId: projectOf(request),
      signal: signalOf(reply),
    })
    if (!session) throw sessionNotFound(request.params.id)
    return viewFor(request, sessionView(session))
  })
}

function addRenew(app: Service, { renewSession, noteSession }: SessionRouteDeps): void {
  const schema = {
    operationId: 'renewSession',
    summary: 'Renew the lease',
    tags,
    params: SessionParams,
    body: EpochBody,
    response: { 200: RenewedView, ...refusals },
  }
  const config = { needs: 'sessions:open', sessionToken: true, browserToken: true } as const
  app.post('/v1/sessions/:id/renew', { config, schema }, async (request) => {
    const { params, body, sessionRight } = request
    const by = partyOf(sessionRight)
    // An agent's right is for one epoch, whatever the body says.
    const epoch = sessionRight?.epoch ?? body.epoch
    const session = await renewSession(sessionIdOf(params), epoch, by, projectOf(request))
    noteSession(request.caller, 'session.renew', session)
    const view = viewFor(request, sessionView(session))
    return { ...view, lease: { ...view.lease, extended: extendsLease(by, session) } }
  })
}

function addJoined(app: Service, { joinSession }: SessionRouteDeps): void {
  const schema = {
    operationId: 'agentJoined',
    summary: "Report that the agent is in its LiveKit room; with the session's own token",
    tags,
    params: SessionParams,
    body: EpochBody,
    response: { 200: SessionView, ...refusals },
  }
  const config = { needs: 'sessions:open', sessionToken: true } as const
  app.post('/v1/sessions/:id/joined', { config, schema }, async ({ params, sessionRight }) => {
    // Only the agent knows. A caller would hide from the watchdog that nobody is there.
    if (!sessionRight) throw new GreenroomError('GRN_UNAUTHENTICATED', 'Only the agent reports its join.')
    return sessionView(await joinSession(sessionIdOf(params), sessionRight.epoch))
  })
}

function addToken(app: Service, { sessions, roomAccess }: SessionRouteDeps): void {
  const schema = {
    operationId: 'mintToken',
    summary: "Mint a fresh LiveKit token: the participant's, or with the session's own token the agent's",
    tags,
    params: SessionParams,
    response: { 200: SessionView, ...refusals },
  }
  const config = { needs: 'sessions:open', sessionToken: true, browserToken: true } as const
  app.post('/v1/sessions/:id/token', { config, schema }, async (request) => {
    const { params, sessionRight } = request
    const session = await sessions.get(sessionIdOf(params), projectOf(request))
    if (!session) throw sessionNotFound(params.id)
    const { id, status } = session
    // An agent may need a fresh token before the session server knows that it acknowledged its session.
    const isLive = status === 'ACTIVE' || (sessionRight !== undefined && status === 'PENDING')
    if (!isLive) throw new GreenroomError('GRN_SESSION_OVER', `Session ${id} is ${status}, not ACTIVE.`)
    if (sessionRight && sessionRight.epoch !== session.epoch) throw new GreenroomError('GRN_STALE_EPOCH')
    const access = sessionRight
      ? roomAccess?.forAgent(session)
      : roomAccess?.forParticipant(session, participantOf(session))
    return viewFor(request, sessionView(session, await access))
  })
}

function addEnd(
  app: Service,
  { closeSession, awaitSession, noteSession }: SessionRouteDeps,
  signalOf: SignalOf,
): void {
  const schema = {
    operationId: 'endSession',
    summary: 'End a session and give its pod back',
    tags,
    params: SessionParams,
    querystring: EndQuery,
    response: { 200: SessionView, 202: SessionView, ...refusals },
  }
  const config = { needs: 'sessions:end', sessionToken: true, browserToken: true } as const
  app.delete('/v1/sessions/:id', { config, schema }, async (request, reply) => {
    const { query, params, sessionRight } = request
    const epoch = sessionRight?.epoch ?? query.epoch
    // The agent's words only: a caller knows why it ended its session.
    const detail = sessionRight ? query.reason : undefined
    const projectId = projectOf(request)
    let session = await closeSession(sessionIdOf(params), partyOf(sessionRight), epoch, { detail, projectId })
    if (session.status === 'ENDING') noteSession(request.caller, 'session.end', session)
    if (query.wait) {
      const signal = signalOf(reply)
      const until = ({ status }: Session) => status === 'ENDED'
      session = (await awaitSession(session.id, { until, waitMs: endWaitMs, signal })) ?? session
    }
    const view = viewFor(request, sessionView(session))
    return reply.code(query.wait && session.status === 'ENDED' ? 200 : 202).send(view)
  })
}

function viewFor({ browserRight }: Pick<FastifyRequest, 'browserRight'>, view: SessionView): SessionView {
  return browserRight ? browserView(view) : view
}

/** By the credential that let the request in, never by what it says. */
function partyOf(sessionRight: SessionRight | undefined): LeaseParty {
  return sessionRight ? 'agent' : 'caller'
}
