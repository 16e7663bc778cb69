import { type CallOptions, type ClientOptions, createApi, sessionPath } from './api-call.ts'
import type {
  EventsQuery,
  EventType,
  ListQuery,
  OpenRequest,
  PoolList,
  PoolReport,
  SessionList,
  SessionView,
} from './api-types.ts'
import type { ClientSession } from './client-session.ts'
import { type FollowedEvent, type FollowOptions, iterateEvents } from './event-iteration.ts'
import { type OpenOptions, openSession } from './open-call.ts'

export type { CallOptions, ClientOptions } from './api-call.ts'
export type {
  BrowserToken,
  ErrorCode,
  EventType,
  GreenroomEvent,
  Lease,
  ListQuery,
  LiveKitAccess,
  OpenRequest,
  Participant,
  PoolList,
  PoolProblem,
  PoolReport,
  Problem,
  SessionEvent,
  SessionList,
  SessionPod,
  SessionView,
} from './api-types.ts'
export { type AttachOptions, attachSession } from './attach-session.ts'
export { type ClientErrorCode, GreenroomApiError } from './client-error.ts'
export type { AccessOptions, ClientSession, SessionEnd } from './client-session.ts'
export type { EventsReset, FollowedEvent, FollowOptions } from './event-iteration.ts'
export type { OpenOptions } from './open-call.ts'

/** Which events to follow; all of them unless given. */
export interface EventsOptions extends FollowOptions {
  readonly types?: readonly EventType[] | undefined
  readonly projectId?: string | undefined
  readonly agentType?: string | undefined
}

/** The caller's side of Greenroom, for Node and browsers: `await using session = await client.open({agentType})`. */
export interface Client {
  /** A session on a warm pod. Its lease is renewed until it is over; leaving the scope of an `await using` ends it. */
  open(request: OpenRequest, options?: OpenOptions): Promise<ClientSession>
  /** What happens to sessions and pools, until the signal. It goes on by itself after every break. */
  events(options?: EventsOptions): AsyncIterable<FollowedEvent>
  readonly sessions: {
    /** One page, newest first; `nextCursor` leads to the next. */
    list(query?: ListQuery, options?: CallOptions): Promise<SessionList>
    get(id: string, options?: CallOptions): Promise<SessionView>
    end(id: string, options?: CallOptions): Promise<SessionView>
    /** From the begin of the session until its end. */
    events(id: string, options?: FollowOptions): AsyncIterable<FollowedEvent>
  }
  readonly pools: {
    list(options?: CallOptions): Promise<PoolList>
    get(agentType: string, options?: CallOptions): Promise<PoolReport>
  }
}

export function createClient(options: ClientOptions): Client {
  const api = createApi(options)
  const get = <T>(path: string, callOptions?: CallOptions) =>
    api.call<T>({ method: 'GET', path }, callOptions)
  return {
    open: (request, openOptions) => openSession(api, request, openOptions),
    events({ types, projectId, agentType, ...follow } = {}) {
      const query = { projectId, agentType, types: types?.join(',') } satisfies EventsQuery
      return iterateEvents(api, `/v1/events${queryText(query)}`, follow)
    },
    sessions: {
      list: (query = {}, callOptions) => get(`/v1/sessions${queryText(query)}`, callOptions),
      get: (id, callOptions) => get(sessionPath(id), callOptions),
      end: (id, callOptions) => api.call({ method: 'DELETE', path: sessionPath(id) }, callOptions),
      events: (id, follow) => iterateEvents(api, `${sessionPath(id)}/events`, follow),
    },
    pools: {
      list: (callOptions) => get('/v1/pools', callOptions),
      get: (agentType, callOptions) => get(`/v1/pools/${encodeURIComponent(agentType)}`, callOptions),
    },
  }
}

function queryText(query: ListQuery | EventsQuery): string {
  // JSON leaves out what is undefined.
  const given = JSON.parse(JSON.stringify(query)) as Record<string, string>
  const text = new URLSearchParams(given).toString()
  return text === '' ? '' : `?${text}`
}
