import { type Static, type TSchema, Type } from 'typebox'
import { longestAgentTypeAsked } from '../domain/agent-type.ts'
import { LiveKitAccess } from '../domain/assignment.ts'
import { type SessionStatus, sessionStatuses } from '../domain/session.ts'

/** The wire: one schema a thing gives validation, static type and OpenAPI. */

const closed = { additionalProperties: false } as const
/** `sessions.epoch` is a PostgreSQL integer: beyond it no epoch exists, and PostgreSQL would call it an error. */
const Epoch = Type.Integer({ minimum: 1, maximum: 2 ** 31 - 1 })
const Name = (maxLength: number) => Type.String({ minLength: 1, maxLength })
const Status = Type.Unsafe<SessionStatus>(Type.Union(sessionStatuses.map((status) => Type.Literal(status))))
const Time = Type.String({ format: 'date-time', description: 'RFC 3339, UTC.' })

/** A Record's own pattern is `^.*$`, which passes over keys with a line break: their values went unchecked. */
const anyKey = <T extends TSchema>(value: T) => ({ additionalProperties: value })

export const OpenBody = Type.Object(
  {
    agentType: Name(longestAgentTypeAsked),
    projectId: Type.Optional(Name(200)),
    roomName: Type.Optional(
      Type.String({ minLength: 1, maxLength: 200, description: 'Your alias for the room.' }),
    ),
    participant: Type.Optional(Type.Object({ identity: Name(200), name: Type.Optional(Name(200)) }, closed)),
    metadata: Type.Optional(
      Type.Record(Type.String(), Type.Unknown(), {
        ...anyKey(Type.Unknown()),
        description: 'Handed to the agent and kept.',
      }),
    ),
    secrets: Type.Optional(
      Type.Record(Type.String(), Type.String(), {
        ...anyKey(Type.String()),
        description: 'Handed to the agent in this request, kept nowhere.',
      }),
    ),
    leaseSeconds: Type.Optional(Type.Integer({ minimum: 1, maximum: 86_400 })),
    onEmpty: Type.Optional(Type.Union([Type.Literal('wait'), Type.Literal('cold'), Type.Literal('fail')])),
    waitMs: Type.Optional(Type.Integer({ minimum: 0, maximum: 60_000 })),
  },
  closed,
)
export type OpenBody = Static<typeof OpenBody>

export const OpenHeaders = Type.Object({
  'idempotency-key': Type.Optional(Type.String({ pattern: '^[\\x21-\\x7e]{1,255}$' })),
})

export const RenewBody = Type.Object({ epoch: Epoch }, closed)

export const SessionParams = Type.Object({ id: Type.String() })
export const PoolParams = Type.Object({ agentType: Type.String() })

export const ReadQuery = Type.Object(
  {
    waitFor: Type.Optional(Status),
    waitMs: Type.Optional(Type.Integer({ minimum: 0, maximum: 60_000 })),
  },
  closed,
)

export const EndQuery = Type.Object(
  {
    epoch: Type.Optional(Epoch),
    wait: Type.Optional(Type.Boolean({ description: 'Answer when the session is ENDED, within 60 s.' })),
  },
  closed,
)

export const ListQuery = Type.Object(
  {
    status: Type.Optional(Status),
    projectId: Type.Optional(Name(200)),
    agentType: Type.Optional(Name(longestAgentTypeAsked)),
    limit: Type.Integer({ minimum: 1, maximum: 200, default: 50 }),
    cursor: Type.Optional(Type.String({ minLength: 1, maxLength: 200 })),
  },
  closed,
)

const LeaseView = Type.Object({
  expiresAt: Time,
  renewAfterMs: Type.Integer(),
  heldBy: Type.Union([Type.Literal('caller'), Type.Literal('agent'), Type.Literal('both')], {
    description: 'Whose renewals extend the lease.',
  }),
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
      { description: 'Absent while a cold open waits for its pod.' },
    ),
  ),
  lease: LeaseView,
  livekit: Type.Optional(LiveKitAccess),
  metadata: Type.Optional(Type.Record(Type.String(), Type.Unknown(), anyKey(Type.Unknown()))),
  createdAt: Time,
  activeAt: Type.Optional(Time),
  endedAt: Type.Optional(Time),
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
  nextCursor: Type.Optional(Type.String()),
})

const Count = Type.Integer({ minimum: 0 })

export const PoolView = Type.Object({
  agentType: Type.String(),
  desired: Type.Object({ min: Count, max: Count }),
  ready: Count,
  warming: Count,
  claimed: Count,
  draining: Count,
  failed: Count,
  waiting: Count,
  hitRate: Type.Optional(Type.Number()),
  boundBy: Type.Optional(Type.String()),
  message: Type.Optional(Type.String()),
  configuration: Type.Object({
    seen: Type.Optional(Type.String()),
    applied: Type.Optional(Type.String()),
    problems: Type.Optional(Type.Array(Type.String())),
  }),
})
export const PoolList = Type.Object({ pools: Type.Array(PoolView) })

export const ProblemView = Type.Object({
  type: Type.String(),
  title: Type.String(),
  status: Type.Integer(),
  detail: Type.String(),
  instance: Type.String(),
  code: Type.String({ description: 'GRN_*, stable.' }),
  requestId: Type.String(),
  retryAfterMs: Type.Optional(Type.Integer()),
})
