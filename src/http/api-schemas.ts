import { type Static, Type } from 'typebox'
import { longestAgentTypeAsked } from '../domain/agent-type-name.ts'
import { LiveKitAccess } from '../domain/assignment.ts'
import { LeaseHolder } from '../domain/lease-holder.ts'
import { PoolReport } from '../domain/pool-report.ts'
import { type SessionStatus, sessionStatuses } from '../domain/session.ts'
import { anyKey, longestWaitMs, Name } from '../domain/session-request.ts'
import { Problem, problemMediaType } from '../serving/problem.ts'
import { metadataBudgetBytes } from '../sessions/list-sessions.ts'

/**
 * The wire of the session API: one schema a thing gives validation, static type and OpenAPI. What is more than wire is
 * declared in domain/ (the body of an open, the report of a pool) and in serving/ (the problem).
 */

const closed = { additionalProperties: false } as const
/** `sessions.epoch` is a PostgreSQL integer: beyond it no epoch exists, and PostgreSQL would call it an error. */
const Epoch = Type.Integer({ minimum: 1, maximum: 2 ** 31 - 1 })
const Status = Type.Unsafe<SessionStatus>(Type.Union(sessionStatuses.map((status) => Type.Literal(status))))
const Time = Type.String({ format: 'date-time', description: 'RFC 3339, UTC.' })

/** For the `response` of every route. */
const refusal = (description: string) => ({
  description,
  content: { [problemMediaType]: { schema: Problem } },
})
export const refusals = { '4xx': refusal('Refused, and why.'), '5xx': refusal('Not now, or a mistake here.') }

export const OpenHeaders = Type.Object({
  'idempotency-key': Type.Optional(Type.String({ pattern: '^[\\x21-\\x7e]{1,255}$' })),
})

export const EpochBody = Type.Object({ epoch: Epoch }, closed)

export const SessionParams = Type.Object({ id: Type.String() })
export const PoolParams = Type.Object({ agentType: Type.String() })

export const ReadQuery = Type.Object(
  {
    waitFor: Type.Optional(Status),
    waitMs: Type.Optional(Type.Integer({ minimum: 0, maximum: longestWaitMs })),
  },
  closed,
)

export const EndQuery = Type.Object(
  {
    epoch: Type.Optional(Epoch),
    wait: Type.Optional(Type.Boolean({ description: 'Answer when the session is ENDED, within 60 s.' })),
    reason: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 200,
        pattern: '^[^\\u0000-\\u001f\\u007f]+$',
        description: 'Why, for people. Kept as endDetail when the agent ends its session.',
      }),
    ),
  },
  closed,
)

export const ListQuery = Type.Object(
  {
    status: Type.Optional(Status),
    projectId: Type.Optional(Name(200)),
    agentType: Type.Optional(Name(longestAgentTypeAsked)),
    search: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 300,
        description:
          'The id of a session or its beginning (8 digits or more), or the whole name of a pod or room; names are looked for among the newest 20,000 sessions.',
      }),
    ),
    limit: Type.Integer({ minimum: 1, maximum: 200, default: 50 }),
    cursor: Type.Optional(Type.String({ minLength: 1, maxLength: 200 })),
    fields: Type.Optional(
      Type.Literal('metadata', {
        description: `Adds each session's metadata. A page then ends early, with its cursor, when it holds ${metadataBudgetBytes} bytes of it.`,
      }),
    ),
  },
  closed,
)

const LeaseView = Type.Object({ expiresAt: Time, renewAfterMs: Type.Integer(), heldBy: LeaseHolder })

export const BrowserTokenView = Type.Object({
  token: Type.String({ description: 'grb_…; the bearer of requests for this session.' }),
  expiresAt: Time,
})

export const SessionView = Type.Object({
  id: Type.String(),
  status: Status,
  endReason: Type.Optional(Type.String()),
  agentType: Type.String(),
  projectId: Type.Optional(Type.String()),
  roomName: Type.String(),
  epoch: Type.Integer(),
  pod: Type.Optional(
    Type.Object(
      { name: Type.String(), uid: Type.String(), ip: Type.String() },
      { description: 'Absent while a cold open waits for its pod, and for browsers.' },
    ),
  ),
  lease: LeaseView,
  livekit: Type.Optional(LiveKitAccess),
  browserToken: Type.Optional(BrowserTokenView),
  metadata: Type.Optional(Type.Record(Type.String(), Type.Unknown(), anyKey(Type.Unknown()))),
  createdAt: Time,
  activeAt: Type.Optional(
    Type.String({
      format: 'date-time',
      description: 'When the pod was claimed that has acknowledged the session since. RFC 3339, UTC.',
    }),
  ),
  endedAt: Type.Optional(Time),
  agentJoinedAt: Type.Optional(
    Type.String({ format: 'date-time', description: 'The agent was in its LiveKit room. RFC 3339, UTC.' }),
  ),
  agentOverdueAt: Type.Optional(
    Type.String({
      format: 'date-time',
      description: 'The agent had not joined by then, and its pool marks this only. RFC 3339, UTC.',
    }),
  ),
  participantJoinedAt: Type.Optional(
    Type.String({
      format: 'date-time',
      description: 'Somebody else was seen in the room for the first time. RFC 3339, UTC.',
    }),
  ),
  endDetail: Type.Optional(Type.String({ description: 'Why the agent finished, in its own words.' })),
})
export type SessionView = Static<typeof SessionView>

export const RenewedView = Type.Object({
  ...SessionView.properties,
  lease: Type.Object({
    ...LeaseView.properties,
    extended: Type.Boolean({
      description:
        'False when the lease is not yours to extend: it stands as it was, and the answer tells how the session is.',
    }),
  }),
})

export const SessionList = Type.Object({
  sessions: Type.Array(SessionView),
  nextCursor: Type.Optional(
    Type.String({ description: 'There are more. A page may be shorter than its limit: only this tells.' }),
  ),
})

export const PoolList = Type.Object({ pools: Type.Array(PoolReport) })
