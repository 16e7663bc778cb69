import type { RouteOptions } from 'fastify'
import type { TSchema } from 'typebox'
import type { Service } from '../serving/service.ts'
import { statusExamples } from './status-examples.ts'

/**
 * An example of each body and each answer, by operation. A test holds each to its schema, and each route to an example: a
 * route that is added needs one here, or `examples` in its own schema.
 */

const id = '0198c0de-5a1e-7b3c-9d4f-2e6a8c0b1d3f'
const session = {
  id,
  status: 'ACTIVE',
  agentType: 'stella-agent',
  projectId: 'checkout',
  roomName: 'consultation',
  epoch: 1,
  pod: { name: 'stella-agent-7xk2p', uid: '5f0d9c1e-8f57-4c55-9a3b-1d2e3f4a5b6c', ip: '10.42.0.17' },
  lease: { expiresAt: '2026-03-01T09:01:00.000Z', renewAfterMs: 20_000, heldBy: 'caller' },
  createdAt: '2026-03-01T09:00:00.000Z',
  activeAt: '2026-03-01T09:00:00.012Z',
}
const livekit = {
  url: 'wss://livekit.example',
  room: `stella-agent-${id}`,
  token: 'eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl',
  expiresAt: '2026-03-01T09:10:00.000Z',
}
const open = { ...session, livekit }
const { pod: _pod, activeAt: _activeAt, ...unserved } = session
const cold = { ...unserved, status: 'PENDING' }
const ending = { ...session, status: 'ENDING', endReason: 'ended:caller' }
const ended = { ...ending, status: 'ENDED', endedAt: '2026-03-01T09:05:02.000Z' }

const pool = {
  agentType: 'stella-agent',
  desired: { min: 5, max: 40 },
  ready: 5,
  warming: 1,
  claimed: 12,
  draining: 0,
  failed: 0,
  waiting: 0,
  hitRate: 0.998,
  configuration: { seen: '184467', applied: '184467' },
}
const revision = {
  revision: 'a1b2c3d4',
  image: 'registry.example/stella:1.8.0',
  templateHash: '9f86d081884c7d65',
  since: '2026-03-01T08:00:00.000Z',
  verdict: 'good',
}
const rollout = {
  agentType: 'stella-agent',
  phase: 'done',
  message: 'All pods have the current revision.',
  current: revision,
  target: { templateHash: revision.templateHash, image: revision.image },
  pods: { fresh: { idle: 5, claimed: 12 }, drifted: { idle: 0, claimed: 0 } },
  revisions: [revision],
}
const amounts = { sessions: 42, sessionSeconds: 36_000, idleSeconds: 3_600, podSeconds: 39_600, cost: 0.44 }
const limits = {
  projectId: 'checkout',
  limits: { maxSessions: 50, opensPerMinute: 600 },
  usage: { sessions: 12 },
  changedAt: '2026-03-01T08:30:00.000Z',
}
const browserToken = {
  token: `grb_${id}_1772359200_Zm9yIHRoZSBleGFtcGxlIG9ubHksIG5vdCBhIHJlYWwgb25l`,
  expiresAt: '2026-03-01T10:00:00.000Z',
}
const key = {
  id: '7hq2m4x9c1ab',
  name: 'checkout, production',
  projectId: 'checkout',
  scopes: ['sessions:open', 'sessions:end'],
  createdAt: '2026-03-01T08:00:00.000Z',
  createdBy: 'GREENROOM_API_KEYS',
}
const shownKey = { ...key, key: `gr_${key.id}_Zm9yIHRoZSBleGFtcGxlIG9ubHksIG5vdCBhIGtleQ` }
const rotatedAt = '2026-03-08T08:00:00.000Z'
const webhook = {
  id: '4e9b2f8a-0f7e-4d52-8a4e-6d1c2b3a4f5e',
  url: 'https://checkout.example/greenroom',
  projectId: 'checkout',
  types: ['session.active', 'session.ended'],
  after: 4_711,
  state: 'active',
  failures: 0,
  createdAt: '2026-03-01T08:00:00.000Z',
}
const audited = {
  id,
  at: '2026-03-01T09:00:00.000Z',
  by: { kind: 'api-key', id: key.id },
  projectId: 'checkout',
  action: 'session.open',
  subject: id,
}
const problem = {
  type: 'urn:greenroom:error:GRN_INVALID_REQUEST',
  title: 'The request does not match the API',
  status: 400,
  detail: 'body /agentType: is missing. Correct the named field; the schema is at /openapi.json.',
  instance: '/v1/sessions',
  code: 'GRN_INVALID_REQUEST',
  requestId: '3d584e4c-33cd-44cc-864e-fde70c9527e3',
  remedy: 'Correct the named field; the schema is at /openapi.json.',
}
const busy = {
  ...problem,
  type: 'urn:greenroom:error:GRN_POOL_EMPTY',
  title: 'No warm pod became free in time',
  status: 503,
  detail: 'No pod of stella-agent was free in time. Retry after the given time.',
  code: 'GRN_POOL_EMPTY',
  remedy: 'Retry after the given time.',
  retryAfterMs: 2_000,
}

type Examples = Readonly<Record<string, unknown>>

/** Of every operation. */
const refused: Examples = { '4xx': problem, '5xx': busy }

/** `body`, and answers by status. */
const examples: Readonly<Record<string, Examples>> = {
  ...statusExamples,
  openSession: {
    body: {
      agentType: 'stella-agent',
      projectId: 'checkout',
      metadata: { language: 'de' },
      browserToken: true,
    },
    200: open,
    201: { ...open, browserToken },
    202: cold,
  },
  openSessions: {
    body: {
      sessions: [{ agentType: 'stella-agent' }, { agentType: 'stella-agent', metadata: { language: 'de' } }],
      atomic: false,
    },
    200: { opened: 1, results: [{ status: 200, session: open }] },
    201: { opened: 1, results: [{ status: 201, session: open }] },
    202: { opened: 1, results: [{ status: 202, session: cold }] },
    207: {
      opened: 1,
      results: [
        { status: 201, session: open },
        { status: 503, problem: { ...busy, instance: '/v1/sessions:batch#/sessions/1' } },
      ],
    },
  },
  listSessions: { 200: { sessions: [session], nextCursor: 'WzE3NzIzNTU2MDAwMDAsIjAxOThjMGRlIl0' } },
  readSession: { 200: session },
  renewSession: { body: { epoch: 1 }, 200: { ...session, lease: { ...session.lease, extended: true } } },
  agentJoined: { body: { epoch: 1 }, 200: { ...session, agentJoinedAt: '2026-03-01T09:00:00.210Z' } },
  mintToken: { 200: open },
  mintBrowserToken: { body: { expiresInSeconds: 3_600 }, 200: browserToken },
  endSession: { 200: ended, 202: ending },
  listPools: { 200: { pools: [pool] } },
  readPool: { 200: pool },
  readRollout: { 200: rollout },
  undoRollout: { 200: { ...rollout, phase: 'undone' } },
  pauseRollout: { 200: { ...rollout, phase: 'paused' } },
  resumeRollout: { 200: rollout },
  readUsage: {
    200: {
      from: '2026-02-01T00:00:00.000Z',
      to: '2026-03-01T00:00:00.000Z',
      until: '2026-03-01T00:00:00.000Z',
      by: 'project',
      rows: [{ projectId: 'checkout', ...amounts }],
      total: { ...amounts, startingSeconds: 120 },
      inexactSeconds: 0,
      prices: { 'stella-agent': 0.04 },
    },
  },
  createKey: {
    body: { name: key.name, scopes: key.scopes, projectId: key.projectId },
    201: shownKey,
  },
  listKeys: { 200: { keys: [key] } },
  rotateKey: {
    body: { keepOldSeconds: 86_400 },
    200: { ...shownKey, rotatedAt, oldSecretUntil: '2026-03-09T08:00:00.000Z' },
  },
  revokeKey: { 200: { ...key, revokedAt: rotatedAt } },
  whoami: { 200: { kind: 'api-key', id: key.id, projectId: 'checkout', scopes: key.scopes } },
  readAudit: { 200: { entries: [audited], nextCursor: id } },
  createWebhook: {
    body: { url: webhook.url, types: webhook.types },
    201: { ...webhook, secret: 'whsec_Zm9yIHRoZSBleGFtcGxlIG9ubHksIG5vdCBhIHNlY3JldA==' },
  },
  listWebhooks: { 200: { webhooks: [webhook] } },
  readWebhook: { 200: webhook },
  changeWebhook: { body: { after: 4_000 }, 200: { ...webhook, after: 4_000 } },
  listLimits: { 200: { projects: [limits] } },
  readLimits: { 200: limits },
  setLimits: { body: limits.limits, 200: limits },
  removeLimits: { 200: { projectId: 'checkout', limits: {} } },
}

/** A schema, or an answer with one for each media type, of which JSON has the example. */
type Described = TSchema & {
  readonly examples?: readonly unknown[]
  readonly content?: Readonly<Record<string, { readonly schema: TSchema; readonly example?: unknown }>>
}

/** Gives each route its examples. To be called before the routes are added. */
export function addExamples(app: Service): void {
  app.addHook('onRoute', (route: RouteOptions) => {
    const { schema } = route
    if (!schema?.operationId) return
    const { body, ...answers } = { ...refused, ...examples[schema.operationId] }
    const response = Object.entries((schema.response ?? {}) as Record<string, Described>).map(
      ([status, described]) => [status, withExample(described, answers[status])] as const,
    )
    route.schema = {
      ...schema,
      response: Object.fromEntries(response),
      ...(body !== undefined && { body: withExample(schema.body as Described, body) }),
    }
  })
}

function withExample(described: Described, example: unknown): Described {
  if (example === undefined || described.examples !== undefined) return described
  if (described.content === undefined) {
    // What makes it a schema of TypeBox is not enumerable, and without that no default would be set.
    const own = Object.getOwnPropertyDescriptors(described)
    return Object.defineProperties({}, { ...own, examples: { value: [example], enumerable: true } })
  }
  const content = Object.entries(described.content).map(
    ([type, media]) => [type, /[/+]json$/.test(type) ? { ...media, example } : media] as const,
  )
  return { ...described, content: Object.fromEntries(content) }
}
