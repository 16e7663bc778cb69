import type { FastifyRequest } from 'fastify'
import { type Static, Type } from 'typebox'
import { longestAgentTypeAsked } from '../domain/agent-type-name.ts'
import { isGranted } from '../domain/caller.ts'
import { eventTypes, GreenroomEvent } from '../domain/event.ts'
import type { Session } from '../domain/session.ts'
import type { SessionStore } from '../domain/session-ports.ts'
import { Name } from '../domain/session-request.ts'
import { GreenroomError } from '../errors.ts'
import type { Service } from '../serving/service.ts'
import type { FollowEvents } from '../sessions/follow-events.ts'
import { accepts } from './accepted-media.ts'
import { refusals, SessionParams } from './api-schemas.ts'
import type { EventStreams } from './event-streams.ts'
import { projectFor, projectOf } from './project-of.ts'
import { isSessionId } from './session-view.ts'

interface EventRouteDeps {
  readonly sessions: Pick<SessionStore, 'get'>
  readonly followEvents: FollowEvents
  readonly streams: EventStreams
  /** Whether the credential of this request is still good for its route. */
  readonly isStillAllowed: (request: FastifyRequest) => Promise<boolean>
}

const Headers = Type.Object({
  'last-event-id': Type.Optional(
    Type.String({ description: 'The id of the last event that was seen. Browsers send it by themselves.' }),
  ),
})
const After = Type.Optional(
  Type.String({
    description: 'As Last-Event-ID, which comes before it. 0: everything that is kept.',
  }),
)
const closed = { additionalProperties: false } as const
const SessionQuery = Type.Object({ after: After }, closed)
const EventsQuery = Type.Object(
  {
    after: After,
    projectId: Type.Optional(Name(200)),
    agentType: Type.Optional(Name(longestAgentTypeAsked)),
    types: Type.Optional(
      Type.String({
        maxLength: 1_000,
        description: `Some of these, separated by commas: ${eventTypes.join(', ')}.`,
      }),
    ),
  },
  closed,
)
type EventsQuery = Static<typeof EventsQuery>

const stream = {
  description:
    'Server-sent events: `id` is the number of the event, `event` its type, `data` this object as JSON. Besides these come `reset` and `closed`: see docs/events.md.',
  content: { 'text/event-stream': { schema: GreenroomEvent } },
}

export function addEventRoutes(app: Service, deps: EventRouteDeps): void {
  addSessionEvents(app, deps)
  addAllEvents(app, deps)
}

function addSessionEvents(
  app: Service,
  { sessions, followEvents, streams, isStillAllowed }: EventRouteDeps,
): void {
  const schema = {
    operationId: 'followSession',
    summary: 'Follow the events of a session, from its beginning until its last',
    tags: ['events'],
    params: SessionParams,
    querystring: SessionQuery,
    headers: Headers,
    response: {
      200: stream,
      204: Type.Null({
        description: 'The session is over and Last-Event-ID is its last event: do not come back.',
      }),
      ...refusals,
    },
  }
  const config = { needs: 'sessions:read', browserToken: true, isStream: true } as const
  app.get('/v1/sessions/:id/events', { config, schema, exposeHeadRoute: false }, async (request, reply) => {
    refuseOtherTypes(request)
    const after = placeOf(request)
    const session = await sessionFor(sessions, request.params.id, request)
    const followed = { id: session.id, isOver: session.status === 'ENDED' }
    if (await followEvents.hasSeenAll(followed, after)) return reply.code(204).send(null)
    const following = { filter: { sessionId: session.id }, after: after ?? 0, session: followed }
    streams.start(reply, following, () => isStillAllowed(request))
    return reply
  })
}

function addAllEvents(app: Service, { streams, isStillAllowed }: EventRouteDeps): void {
  const schema = {
    operationId: 'followEvents',
    summary: 'Follow the events of sessions and pools, from now or from an event on',
    tags: ['events'],
    querystring: EventsQuery,
    headers: Headers,
    response: { 200: stream, ...refusals },
  }
  const config = { needs: 'sessions:read', isStream: true } as const
  app.get('/v1/events', { config, schema, exposeHeadRoute: false }, async (request, reply) => {
    refuseOtherTypes(request)
    const filter = filterOf(request.query, request)
    streams.start(reply, { filter, after: placeOf(request) }, () => isStillAllowed(request))
    return reply
  })
}

/** Another project's session is not there, as an unknown one. */
async function sessionFor(
  sessions: Pick<SessionStore, 'get'>,
  id: string,
  request: Pick<FastifyRequest, 'caller'>,
): Promise<Session> {
  const session = isSessionId(id) ? await sessions.get(id, projectOf(request)) : undefined
  if (session) return session
  throw new GreenroomError('GRN_SESSION_NOT_FOUND', `There is no session ${id.slice(0, 64)}.`)
}

/** What the caller asked for, of what it may see. Pools belong to no project. */
function filterOf({ projectId, agentType, types }: EventsQuery, request: Pick<FastifyRequest, 'caller'>) {
  const { caller } = request
  return {
    projectId: projectFor(request, projectId),
    agentType,
    types: types === undefined ? undefined : typesOf(types),
    pools: caller !== undefined && isGranted(caller, 'pools:read'),
  }
}

function typesOf(list: string): ReadonlySet<string> {
  const types = list.split(',').map((type) => type.trim())
  const unknown = types.find((type) => !(eventTypes as readonly string[]).includes(type))
  if (unknown !== undefined)
    throw new GreenroomError(
      'GRN_INVALID_REQUEST',
      `/types: "${unknown.slice(0, 64)}" is no type of event; there are ${eventTypes.join(', ')}.`,
    )
  return new Set(types)
}

/** By its header, which browsers set when they come back, else by its query. */
function placeOf(request: {
  readonly headers: { readonly 'last-event-id'?: string }
  readonly query: { readonly after?: string | undefined }
}): number | undefined {
  // A browser sends an empty one if the last event that it saw had none.
  const text = request.headers['last-event-id'] || request.query.after
  if (text === undefined) return undefined
  const place = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN
  if (Number.isSafeInteger(place)) return place
  throw new GreenroomError('GRN_EVENT_ID', `"${text.slice(0, 64)}" is not the id of an event.`)
}

function refuseOtherTypes({ headers }: { readonly headers: { readonly accept?: string | undefined } }): void {
  if (!accepts(headers.accept, ['text/event-stream']))
    throw new GreenroomError('GRN_NOT_ACCEPTABLE', 'This is a stream of events (text/event-stream).')
}
