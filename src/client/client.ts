import { type CallOptions, type ClientOptions, createApi } from './api-call.ts'
import type { ListQuery, OpenRequest, PoolList, PoolReport, SessionList, SessionView } from './api-types.ts'
import type { ClientSession } from './client-session.ts'
import { type OpenOptions, openSession } from './open-call.ts'

export type { CallOptions, ClientOptions } from './api-call.ts'
export type {
  BrowserToken,
  ErrorCode,
  Lease,
  ListQuery,
  LiveKitAccess,
  OpenRequest,
  Participant,
  PoolList,
  PoolProblem,
  PoolReport,
  Problem,
  SessionList,
  SessionPod,
  SessionView,
} from './api-types.ts'
export { type AttachOptions, attachSession } from './attach-session.ts'
export { type ClientErrorCode, GreenroomApiError } from './client-error.ts'
export type { AccessOptions, ClientSession, SessionEnd } from './client-session.ts'
export type { OpenOptions } from './open-call.ts'

/** The caller's side of Greenroom, for Node and browsers: `await using session = await client.open({agentType})`. */
export interface Client {
  /** A session on a warm pod. Its lease is renewed until it is over; leaving the scope of an `await using` ends it. */
  open(request: OpenRequest, options?: OpenOptions): Promise<ClientSession>
  readonly sessions: {
    /** One page, newest first; `nextCursor` leads to the next. */
    list(query?: ListQuery, options?: CallOptions): Promise<SessionList>
    get(id: string, options?: CallOptions): Promise<SessionView>
    end(id: string, options?: CallOptions): Promise<SessionView>
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
  const sessionPath = (id: string) => `/v1/sessions/${encodeURIComponent(id)}`
  return {
    open: (request, openOptions) => openSession(api, request, openOptions),
    sessions: {
      list: (query = {}, callOptions) => get(`/v1/sessions${queryText(query)}`, callOptions),
      get: (id, callOptions) => get(sessionPath(id), callOptions),
      end: (id, callOptions) => api.call({ method: 'DELETE', path: sessionPath(id) }, callOptions),
    },
    pools: {
      list: (callOptions) => get('/v1/pools', callOptions),
      get: (agentType, callOptions) => get(`/v1/pools/${encodeURIComponent(agentType)}`, callOptions),
    },
  }
}

function queryText(query: ListQuery): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined)
  const text = new URLSearchParams(given.map(([key, value]) => [key, String(value)])).toString()
  return text === '' ? '' : `?${text}`
}
