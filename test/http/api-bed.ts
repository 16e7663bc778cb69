import type { Test } from 'tap'
import type { LiveKitAccess } from '../../src/domain/assignment.ts'
import type { PoolReport } from '../../src/domain/pool-report.ts'
import { beforeTheRoom, type Session } from '../../src/domain/session.ts'
import type { SessionQuery } from '../../src/domain/session-ports.ts'
import type { OpenRequest } from '../../src/domain/session-request.ts'
import { GreenroomError } from '../../src/errors.ts'
import { type ApiAppDeps, createApiApp } from '../../src/http/api-app.ts'
import { createBootstrapKeys } from '../../src/http/bootstrap-keys.ts'
import { createMetrics } from '../../src/metrics.ts'
import type { CheckState } from '../../src/serving/service-routes.ts'
import { createBrowserTokens } from '../../src/sessions/browser-token.ts'
import { createListSessions } from '../../src/sessions/list-sessions.ts'
import type { OpenContext } from '../../src/sessions/opening.ts'
import { createProjectLimits } from '../../src/sessions/project-limits-view.ts'
import { createSessionTokens } from '../../src/sessions/session-token.ts'
import { silent } from '../support/kept-log.ts'
import { memoryProjectLimits } from '../support/memory-project-limits.ts'
import { settledAlready } from '../support/nothing-unsettled.ts'

/** The session API over use cases that remember sessions in memory; HTTP itself is what is tested. */

export const apiKey = 'the-first-key-of-the-test'
export const otherApiKey = 'the-second-key-of-the-test'
export const knownId = '0198c0de-0000-7000-8000-000000000001'
export const unknownId = '0198c0de-ffff-7fff-8fff-ffffffffffff'
export const tokens = createSessionTokens('a secret of at least thirty-two bytes')

export const browserTokens = createBrowserTokens('a secret of at least thirty-two bytes', () => Date.now())

export function newSession(overrides: Partial<Session> = {}): Session {
  return {
    id: knownId,
    status: 'ACTIVE',
    endReason: undefined,
    agentType: 'echo-agent',
    projectId: undefined,
    roomName: 'lobby',
    room: `echo-agent-${knownId}`,
    participant: { identity: 'ann' },
    metadata: undefined,
    fingerprint: 'never shown',
    epoch: 3,
    pod: { uid: 'uid-1', name: 'echo-agent-abcde', ip: '127.1.2.3' },
    heldByReplica: undefined,
    adoptable: false,
    leaseMs: 60_000,
    leaseHeldBy: 'both',
    leaseExpiresAt: Date.UTC(2026, 0, 2),
    createdAt: Date.UTC(2026, 0, 1),
    activeAt: Date.UTC(2026, 0, 1, 0, 0, 1),
    endingAt: undefined,
    endedAt: undefined,
    ...beforeTheRoom,
    ...overrides,
  }
}

export const livekit: LiveKitAccess = {
  url: 'ws://livekit',
  room: 'r',
  token: 'livekit-token',
  expiresAt: '2026-01-01T00:00:00.000Z',
}

const pool: PoolReport = {
  agentType: 'echo-agent',
  desired: { min: 2, max: 9 },
  ready: 2,
  warming: 0,
  claimed: 1,
  draining: 0,
  failed: 0,
  waiting: 0,
  hitRate: undefined,
  boundBy: undefined,
  message: undefined,
  configuration: { seen: '1', applied: '1', problems: undefined },
}

/** What PostgreSQL would refuse must not have come this far. */
function storable(values: object): void {
  const text = JSON.stringify(values)
  if (text.includes('\\u0000') || /\\ud[89a-f]/i.test(text))
    throw new Error('unstorable text reached a store')
  for (const value of Object.values(values))
    if (typeof value === 'number' && Math.abs(value) > 2 ** 31 - 1) throw new Error('integer out of range')
}

const notKept = () => Promise.reject(new Error('this test has no webhooks'))
const notAsked = () => Promise.reject(new Error('this test asks for no roll-out'))

export async function startApi(t: Test, overrides: Partial<ApiAppDeps> = {}) {
  const rows = new Map<string, Session>([[knownId, newSession()]])
  const opened: { request: OpenRequest; context: OpenContext }[] = []
  const calls: unknown[][] = []
  const listed: SessionQuery[] = []
  const metrics = createMetrics()
  const draining = new AbortController()
  let checks: Record<string, CheckState> = { postgresql: 'ok', redis: 'ok' }
  const get = (id: string): Session => {
    const row = rows.get(id)
    if (!row) throw new GreenroomError('GRN_SESSION_NOT_FOUND')
    return row
  }
  const app = await createApiApp({
    async openSession(request, context) {
      storable(request)
      if (request.agentType !== 'echo-agent')
        throw new GreenroomError('GRN_UNKNOWN_AGENT_TYPE', `There is no pool of "${request.agentType}".`)
      opened.push({ request, context })
      const replayed = context.idempotencyKey === 'again'
      return {
        session: newSession({ metadata: request.metadata }),
        livekit,
        replayed,
        stagesMs: { reserve: 0.5, commit: 1.25 },
      }
    },
    openBatch: {
      openAll: () => Promise.reject(new Error('this test opens no batch')),
      openAvailable: () => Promise.reject(new Error('this test opens no batch')),
    },
    async renewSession(id, epoch, by) {
      storable({ epoch })
      calls.push(['renew', id, epoch, by])
      const session = get(id)
      if (epoch !== session.epoch) throw new GreenroomError('GRN_STALE_EPOCH')
      return session
    },
    async joinSession(id, epoch) {
      calls.push(['joined', id, epoch])
      return { ...get(id), agentJoinedAt: 1 }
    },
    liveKit: undefined,
    async closeSession(id, by, epoch, { detail } = {}) {
      storable({ epoch })
      calls.push(['close', id, by, epoch, ...(detail === undefined ? [] : [detail])])
      const session = get(id)
      if (epoch !== undefined && epoch !== session.epoch) throw new GreenroomError('GRN_STALE_EPOCH')
      rows.set(id, { ...session, status: 'ENDING', endReason: 'ended:caller' })
      return get(id)
    },
    async awaitSession(id, options) {
      calls.push(['await', id, options.waitMs])
      return rows.get(id)
    },
    sessions: {
      get: async (id) => rows.get(id),
    },
    listSessions: createListSessions({
      settle: settledAlready,
      sessions: {
        async list(query) {
          storable(query)
          listed.push(query)
          return [...rows.values()].slice(0, query.limit).map((row) => ({ ...row, metadata: undefined }))
        },
        async metadataOf(ids) {
          const texts = ids.map((id) => [id, JSON.stringify(rows.get(id)?.metadata)] as const)
          return new Map(texts.filter(([, text]) => text !== undefined))
        },
      },
    }),
    headStartMs: () => 0,
    roomAccess: { forParticipant: async () => livekit, forAgent: async () => livekit },
    draining: draining.signal,
    identify: createBootstrapKeys(`${apiKey},${otherApiKey}`),
    sessionTokens: tokens,
    readPools: {
      all: async () => [pool],
      one: async (agentType) => (agentType === pool.agentType ? pool : undefined),
    },
    steerRollout: { read: notAsked, undo: notAsked, pause: notAsked, resume: notAsked },
    projectLimits: createProjectLimits({
      store: memoryProjectLimits(),
      wakes: { publish: () => {}, subscribe: () => () => {} },
      now: () => 0,
    }),
    readPoolHistory: () => Promise.reject(new Error('this test reads no history')),
    readAdmission: () => Promise.reject(new Error('this test asks no webhook')),
    steerPools: { freeze: notAsked, thaw: notAsked, resize: notAsked, retirePod: notAsked },
    timelines: { course: async () => undefined },
    readStatus: () => Promise.reject(new Error('this test reads no status')),
    readUsage: () => Promise.reject(new Error('this test reads no usage')),
    auditLog: { list: async () => [] },
    noteSession: () => {},
    manageKeys: { create: notAsked, list: notAsked, rotate: notAsked, revoke: notAsked },
    followEvents: {
      assertReady() {},
      follow: () => Promise.reject(new Error('this test follows no events')),
      hasSeenAll: async () => false,
    },
    eventWebhooks: {
      create: notKept,
      list: notKept,
      get: notKept,
      change: notKept,
      remove: notKept,
    },
    webhookSecretOf: () => 'whsec_',
    metrics,
    checks: () => checks,
    browserTokens,
    origins: [],
    overload: () => undefined,
    publicDocument: false,
    logger: silent,
    ...overrides,
  })
  t.teardown(() => app.close())
  return {
    app,
    rows,
    opened,
    calls,
    listed,
    metrics,
    setChecks: (states: Record<string, CheckState>) => {
      checks = states
    },
    /** With the API key, unless `headers` says otherwise. */
    call(method: string, url: string, options: { body?: unknown; headers?: Record<string, string> } = {}) {
      const { body, headers = {} } = options
      return app.inject({
        method: method as 'GET',
        url,
        headers: { authorization: `Bearer ${apiKey}`, ...headers },
        ...(body !== undefined && {
          payload: typeof body === 'string' ? body : JSON.stringify(body),
          headers: {
            authorization: `Bearer ${apiKey}`,
            'content-type': 'application/json',
            ...headers,
          },
        }),
      })
    },
  }
}

export type Api = Awaited<ReturnType<typeof startApi>>
type Answer = Awaited<ReturnType<Api['call']>>

/** Every refusal: problem+json with the code, a sentence, the way out, and nothing of the inside. */
export function isProblem(t: Test, answer: Answer, code: string, status: number, hint?: RegExp): void {
  t.equal(answer.statusCode, status, `${code}: ${answer.body}`)
  t.match(answer.headers['content-type'], /^application\/problem\+json/)
  const problem = JSON.parse(answer.body) as Record<string, unknown>
  t.match(problem, {
    code,
    status,
    type: `urn:greenroom:error:${code}`,
    title: /\w/,
    requestId: /^[0-9a-f-]{36}$/,
  })
  t.match(problem.detail, /^\S.*\. \S.*\.$/s, 'a sentence and the way out')
  t.notMatch(answer.body, /node_modules|\.ts:|undefined|\[object/)
  if (hint) t.match(problem.detail, hint)
}
