import { randomUUID } from 'node:crypto'
import type { Test } from 'tap'
import { type Caller, type Scope, scopes } from '../../src/domain/caller.ts'
import { createApiApp } from '../../src/http/api-app.ts'
import { createSessionAudit } from '../../src/http/session-audit.ts'
import { createAuditTrail } from '../../src/identity/audit-trail.ts'
import { createManageKeys } from '../../src/identity/manage-keys.ts'
import { createMetrics } from '../../src/metrics.ts'
import { createProjectLimits } from '../../src/sessions/project-limits-view.ts'
import { createReadStatus } from '../../src/sessions/read-status.ts'
import { createPostgresApiKeys } from '../../src/stores/postgres-api-keys.ts'
import { createPostgresAuditLog } from '../../src/stores/postgres-audit-log.ts'
import { createPostgresEventWebhooks } from '../../src/stores/postgres-event-webhooks.ts'
import { createPostgresLiveSessions } from '../../src/stores/postgres-live-sessions.ts'
import { createPostgresProjectLimits } from '../../src/stores/postgres-project-limits.ts'
import { createPostgresTimelines } from '../../src/stores/postgres-timelines.ts'
import { agentType } from '../sessions/open-bed.ts'
import type { startOpenServers } from '../sessions/open-session-bed.ts'
import { probesOf } from '../sessions/status-bed.ts'
import { silent } from '../support/kept-log.ts'
import { livekit } from './api-bed.ts'

/** The whole session API over real stores and agents, with callers that a test names by their bearer. */

type Bed = Awaited<ReturnType<Awaited<ReturnType<typeof startOpenServers>>['startBed']>>

export function callerOf(projectId: string | undefined, granted: readonly Scope[] = scopes): Caller {
  return { kind: 'api-key', id: projectId ?? 'all', projectId, scopes: new Set(granted) }
}

const notAsked = () => Promise.reject(new Error('nobody changes a pool here'))

export async function startTenantApi(t: Test, bed: Bed, callers: Readonly<Record<string, Caller>>) {
  const draining = new AbortController()
  const auditLog = createPostgresAuditLog(bed.postgres)
  const dropped: number[] = []
  const trail = createAuditTrail({ log: auditLog, onDropped: (count) => dropped.push(count) })
  const known = { look: async () => {} }
  const manageKeys = createManageKeys({
    keys: createPostgresApiKeys(bed.postgres),
    known,
    wakes: { publish() {} },
  })
  const app = await createApiApp({
    ...bed.api.sessionApi,
    readPoolHistory: async (of) => ({ agentType: of, points: [] }),
    readAdmission: () => Promise.reject(new Error('this test asks no webhook')),
    steerPools: { freeze: notAsked, thaw: notAsked, resize: notAsked, retirePod: notAsked },
    timelines: createPostgresTimelines(bed.postgres),
    readStatus: createReadStatus({
      probes: probesOf({ controller: { state: 'ok', detail: 'One replica leads.', leader: 'replica-1' } }),
      readPools: bed.api.sessionApi.readPools,
      readLeader: async () => undefined,
      countSessions: createPostgresLiveSessions(bed.postgres),
      poolCount: () => 1,
      namespace: 'ai-agents',
      clock: () => Date.now(),
    }),
    roomAccess: { forParticipant: async () => livekit, forAgent: async () => livekit },
    liveKit: undefined,
    projectLimits: createProjectLimits({
      store: createPostgresProjectLimits(bed.postgres),
      wakes: { publish() {}, subscribe: () => () => {} },
      now: () => performance.now(),
    }),
    origins: [],
    overload: () => undefined,
    headStartMs: () => 0,
    manageKeys,
    followEvents: {
      assertReady() {},
      follow: () => Promise.reject(new Error('nobody may follow here')),
      hasSeenAll: async () => false,
    },
    metrics: createMetrics(),
    eventWebhooks: createPostgresEventWebhooks(bed.postgres),
    webhookSecretOf: (id) => `secret of ${id}`,
    auditLog,
    noteSession: createSessionAudit(trail),
    draining: draining.signal,
    identify: (bearer) => (Object.hasOwn(callers, bearer) ? callers[bearer] : undefined),
    publicDocument: false,
    checks: () => ({}),
    logger: silent,
  })
  t.teardown(() => app.close())

  async function call(
    bearer: string,
    method: string,
    url: string,
    { body, headers = {} }: { body?: object | undefined; headers?: Record<string, string> } = {},
  ) {
    const answer = await app.inject({
      method: method as 'GET',
      url,
      headers: { authorization: `Bearer ${bearer}`, ...headers },
      ...(body && { payload: body }),
    })
    return { status: answer.statusCode, text: answer.body, body: answer.json<Record<string, unknown>>() }
  }

  return {
    app,
    trail,
    call,
    /** Under a key of its own: without one, an answer that nobody reads ends its session, and inject reads none. */
    open: (bearer: string, more: object = {}, headers: Record<string, string> = {}) =>
      call(bearer, 'POST', '/v1/sessions', {
        body: { agentType, onEmpty: 'fail', ...more },
        headers: { 'idempotency-key': randomUUID(), ...headers },
      }),
  }
}

export type TenantApi = Awaited<ReturnType<typeof startTenantApi>>
