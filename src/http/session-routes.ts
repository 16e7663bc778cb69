import type { FastifyReply } from 'fastify'
import type { RoomAccess, SessionQuery, SessionStore } from '../domain/ports.ts'
import { extendsLease, type LeaseParty, type Session } from '../domain/session.ts'
import { GreenroomError } from '../errors.ts'
import type { TypedApp } from '../serving/typed-app.ts'
import type { AwaitSession } from '../sessions/await-session.ts'
import { type OpenSession } from '../sessions/open-session.ts'
import { participantOf } from '../sessions/room-tokens.ts'
import type { SessionRight } from '../sessions/session-token.ts'
import {
  EndQuery,
  ListQuery,
  OpenBody,
  OpenHeaders,
  ProblemView,
  ReadQuery,
  RenewBody,
  RenewedView,
  SessionList,
  SessionParams,
  SessionView,
} from './api-schemas.ts'
import { cursorAfter, isSessionId, parseCursor, sessionView } from './session-view.ts'

export interface SessionRouteDeps {
  readonly openSession: OpenSession
  readonly renewSession: (id: string, epoch: number, by: LeaseParty) => Promise<Session>
  readonly closeSession: (id: string, by: LeaseParty, epoch?: number) => Promise<Session>
  readonly awaitSession: AwaitSession
  readonly sessions: Pick<SessionStore, 'get' | 'list'>
  readonly roomAccess: RoomAccess | undefined
  /** What the priority of a project is worth in the queue for a pod, ms. */
  readonly headStartMs: (projectId: string | undefined) => number
  /** Aborted when this replica drains. */
  readonly draining: AbortSignal
}

/** A graceful end takes the agent's grace period and a little more. */
const endWaitMs = 60_000
const defaultReadWaitMs = 10_000
const refusals = { '4xx': ProblemView, '5xx': ProblemView }

export function addSessionRoutes(app: TypedApp, deps: SessionRouteDeps): void {
  const signalOf = createCallSignals(deps.draining)
  const { openSession, renewSession, closeSession, awaitSession, sessions, roomAccess } = deps

  app.post(
    '/v1/sessions',
    {
      schema: {
        operationId: 'openSession',
        summary: 'Open a session on a warm pod',
        tags: ['sessions'],
        headers: OpenHeaders,
        body: OpenBody,
        response: { 200: SessionView, 201: SessionView, 202: SessionView, ...refusals },
      },
    },
    async (request, reply) => {
      const answer = await openSession(request.body, {
        idempotencyKey: request.headers['idempotency-key'],
        signal: signalOf(reply),
        logger: request.log as never,
        headStartMs: deps.headStartMs(request.body.projectId),
      })
      const timings = Object.entries(answer.stagesMs).map(([stage, ms]) => `${stage};dur=${ms.toFixed(2)}`)
      return reply
        .code(answer.session.status === 'PENDING' ? 202 : answer.replayed ? 200 : 201)
        .header('location', `/v1/sessions/${answer.session.id}`)
        .header('server-timing', timings.join(', '))
        .send(sessionView(answer.session, answer.livekit))
    },
  )

  app.get(
    '/v1/sessions',
    {
      schema: {
        operationId: 'listSessions',
        summary: 'List sessions, newest first',
        tags: ['sessions'],
        querystring: ListQuery,
        response: { 200: SessionList, ...refusals },
      },
    },
    async ({ query: { cursor, limit, ...filters } }) => {
      const page: SessionQuery = {
        ...filters,
        limit: limit + 1,
        ...(cursor && { before: parseCursor(cursor) }),
      }
      const found = await sessions.list(page)
      const shown = found.slice(0, limit)
      const last = shown.at(-1)
      return {
        sessions: shown.map((session) => sessionView(session)),
        ...(found.length > limit && last && { nextCursor: cursorAfter(last) }),
      }
    },
  )

  app.get(
    '/v1/sessions/:id',
    {
      schema: {
        operationId: 'readSession',
        summary: 'Read a session, or wait until it has a status',
        tags: ['sessions'],
        params: SessionParams,
        querystring: ReadQuery,
        response: { 200: SessionView, ...refusals },
      },
    },
    async (request, reply) => {
      const { waitFor, waitMs = waitFor ? defaultReadWaitMs : 0 } = request.query
      const session = await awaitSession(knownId(request.params.id), {
        until: ({ status }) => waitFor === undefined || status === waitFor || status === 'ENDED',
        waitMs,
        signal: signalOf(reply),
      })
      return sessionView(session ?? unknownSession(request.params.id))
    },
  )

  app.post(
    '/v1/sessions/:id/renew',
    {
      config: { sessionToken: true },
      schema: {
        operationId: 'renewSession',
        summary: 'Renew the lease',
        tags: ['sessions'],
        params: SessionParams,
        body: RenewBody,
        response: { 200: RenewedView, ...refusals },
      },
    },
    async ({ params, body, sessionRight }) => {
      const by = partyOf(sessionRight)
      // An agent's right is for one epoch, whatever the body says.
      const session = await renewSession(knownId(params.id), sessionRight?.epoch ?? body.epoch, by)
      const view = sessionView(session)
      return { ...view, lease: { ...view.lease, extended: extendsLease(by, session) } }
    },
  )

  app.post(
    '/v1/sessions/:id/token',
    {
      schema: {
        operationId: 'mintToken',
        summary: 'Mint a fresh LiveKit token for the participant',
        tags: ['sessions'],
        params: SessionParams,
        response: { 200: SessionView, ...refusals },
      },
    },
    async ({ params }) => {
      const session = (await sessions.get(knownId(params.id))) ?? unknownSession(params.id)
      if (session.status !== 'ACTIVE') {
        throw new GreenroomError(
          'GRN_SESSION_OVER',
          `Session ${session.id} is ${session.status}, not ACTIVE.`,
        )
      }
      return sessionView(session, await roomAccess?.forParticipant(session.room, participantOf(session)))
    },
  )

  app.delete(
    '/v1/sessions/:id',
    {
      config: { sessionToken: true },
      schema: {
        operationId: 'endSession',
        summary: 'End a session and give its pod back',
        tags: ['sessions'],
        params: SessionParams,
        querystring: EndQuery,
        response: { 200: SessionView, 202: SessionView, ...refusals },
      },
    },
    async (request, reply) => {
      const { epoch, wait } = request.query
      const by = partyOf(request.sessionRight)
      let session = await closeSession(knownId(request.params.id), by, request.sessionRight?.epoch ?? epoch)
      if (wait) {
        const signal = signalOf(reply)
        const until = ({ status }: Session) => status === 'ENDED'
        session = (await awaitSession(session.id, { until, waitMs: endWaitMs, signal })) ?? session
      }
      return reply.code(wait && session.status === 'ENDED' ? 200 : 202).send(sessionView(session))
    },
  )
}

/** By the credential that let the request in, never by what it says. */
function partyOf(sessionRight: SessionRight | undefined): LeaseParty {
  return sessionRight ? 'agent' : 'caller'
}

/** An id of another form cannot be one of ours, and PostgreSQL would call it an error. */
function knownId(id: string): string {
  return isSessionId(id) ? id : (unknownSession(id) as never)
}

function unknownSession(id: string): never {
  throw new GreenroomError('GRN_SESSION_NOT_FOUND', `There is no session ${id.slice(0, 64)}.`)
}

/**
 * Signals that abort when the caller has hung up, or when this replica drains: a wait must end then. One listener for all
 * of them, for AbortSignal.any would leave one on `draining` with every call.
 */
function createCallSignals(draining: AbortSignal): (reply: FastifyReply) => AbortSignal {
  const open = new Set<AbortController>()
  draining.addEventListener('abort', () => {
    for (const call of open) call.abort(draining.reason)
  })
  return (reply) => {
    const call = new AbortController()
    if (draining.aborted) call.abort(draining.reason)
    open.add(call)
    reply.raw.once('close', () => {
      open.delete(call)
      if (!reply.raw.writableFinished) call.abort()
    })
    return call.signal
  }
}
