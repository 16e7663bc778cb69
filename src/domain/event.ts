import { type Static, Type } from 'typebox'
import { orUndefined } from './or-undefined.ts'
import { PoolProblem } from './pool-problem.ts'
import { type SessionStatus, sessionStatuses } from './session.ts'

/** What happened, as followers are told: the one declaration of each event, for streams, webhooks and OpenAPI. */

const shared = {
  id: Type.String({ description: 'A whole number. Later events have higher ones; some are left out.' }),
  at: Type.String({ format: 'date-time', description: 'RFC 3339, UTC.' }),
}

const literals = <const T extends string>(values: readonly T[]) =>
  Type.Unsafe<T>(Type.Union(values.map((value) => Type.Literal(value))))

export const sessionEventTypes = [
  'session.pending',
  'session.active',
  'session.ending',
  'session.ended',
  'session.agent-joined',
  'session.agent-overdue',
  'session.participant-joined',
] as const

export const SessionEvent = Type.Object({
  ...shared,
  type: literals(sessionEventTypes),
  projectId: orUndefined(Type.String()),
  agentType: Type.String(),
  sessionId: Type.String(),
  status: Type.Unsafe<SessionStatus>(Type.Union(sessionStatuses.map((status) => Type.Literal(status)))),
  epoch: Type.Integer(),
  podUid: orUndefined(Type.String()),
  endReason: orUndefined(Type.String()),
  traceparent: orUndefined(
    Type.String({ description: 'The trace of the open that the session came from (W3C Trace Context).' }),
  ),
})
export type SessionEvent = Static<typeof SessionEvent>

const poolEvent = { ...shared, agentType: Type.String() }

const PoolEmptyEvent = Type.Object({
  ...poolEvent,
  type: Type.Literal('pool.empty'),
  waiting: Type.Integer({ minimum: 0, description: 'Opens that wait for a pod.' }),
})

const PoolDegradedEvent = Type.Object({
  ...poolEvent,
  type: Type.Literal('pool.degraded'),
  problem: PoolProblem,
})

const PoolRecoveredEvent = Type.Object({ ...poolEvent, type: Type.Literal('pool.recovered') })

const PoolConfigEvent = Type.Object({
  ...shared,
  type: Type.Literal('pool.config'),
  outcome: literals(['accepted', 'refused']),
  version: Type.String({ description: 'resourceVersion of the ConfigMap agent-pools.' }),
  problems: orUndefined(Type.Array(Type.String(), { description: 'Why it was refused.' })),
})

const WebhookDisabledEvent = Type.Object({
  ...shared,
  type: Type.Literal('webhook.disabled'),
  projectId: orUndefined(Type.String()),
  webhookId: Type.String(),
  reason: Type.String(),
})

export const GreenroomEvent = Type.Union([
  SessionEvent,
  PoolEmptyEvent,
  PoolDegradedEvent,
  PoolRecoveredEvent,
  PoolConfigEvent,
  WebhookDisabledEvent,
])
export type GreenroomEvent = Static<typeof GreenroomEvent>

export const platformEventTypes = [
  'pool.empty',
  'pool.degraded',
  'pool.recovered',
  'pool.config',
  'webhook.disabled',
] as const
export const eventTypes = [...sessionEventTypes, ...platformEventTypes]
export type EventType = GreenroomEvent['type']

/** An event before it has its number and its time. */
export type PlatformEvent = DistributedOmit<Exclude<GreenroomEvent, SessionEvent>, 'id' | 'at'>
type DistributedOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never

/** What a follower wants to hear; undefined: everything. */
export interface EventFilter {
  readonly sessionId?: string | undefined
  /** Events of no project are left out then. */
  readonly projectId?: string | undefined
  readonly agentType?: string | undefined
  readonly types?: ReadonlySet<string> | undefined
  /** Whether events of pools are for this follower. */
  readonly pools?: boolean | undefined
}

/** Facts of an event that filters look at. */
export type EventFacts = Pick<GreenroomEvent, 'type'> & {
  readonly projectId?: string | undefined
  readonly agentType?: string | undefined
  readonly sessionId?: string | undefined
}

export function passes(event: EventFacts, filter: EventFilter): boolean {
  const { sessionId, projectId, agentType, types, pools = true } = filter
  return (
    (sessionId === undefined || event.sessionId === sessionId) &&
    (projectId === undefined || event.projectId === projectId) &&
    (agentType === undefined || event.agentType === agentType) &&
    (types === undefined || types.has(event.type)) &&
    (pools || !event.type.startsWith('pool.'))
  )
}

/** The session has ended. It may start again under its Idempotency-Key only if its open had failed. */
export function isLast(event: EventFacts): boolean {
  return event.type === 'session.ended'
}
