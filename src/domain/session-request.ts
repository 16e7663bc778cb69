import { type Static, type TSchema, Type } from 'typebox'
import { longestAgentTypeAsked } from './agent-type-name.ts'

/** What a caller asks for when it opens a session: the body of `POST /v1/sessions`, the one declaration of it. */

const closed = { additionalProperties: false } as const

/** A string that is not empty. */
export const Name = (maxLength: number) => Type.String({ minLength: 1, maxLength })

/** A Record's own pattern is `^.*$`, which does not match keys with a line break: their values went unchecked. */
export const anyKey = <T extends TSchema>(value: T) => ({ additionalProperties: value })

/** What an open does when the pool has no warm pod. */
export const OnEmpty = Type.Union([Type.Literal('wait'), Type.Literal('cold'), Type.Literal('fail')])

/** Longest time that a request may wait; common load balancers cut a silent request at 60 s. */
export const longestWaitMs = 60_000

export const Participant = Type.Object({ identity: Name(200), name: Type.Optional(Name(200)) }, closed)
export type Participant = Static<typeof Participant>

export const OpenRequest = Type.Object(
  {
    agentType: Name(longestAgentTypeAsked),
    projectId: Type.Optional(Name(200)),
    roomName: Type.Optional(
      Type.String({ minLength: 1, maxLength: 200, description: 'Your alias for the room.' }),
    ),
    participant: Type.Optional(Participant),
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
    browserToken: Type.Optional(
      Type.Boolean({
        description: 'The answer then has a token for the browser of your user, good for this session alone.',
      }),
    ),
    onEmpty: Type.Optional(OnEmpty),
    waitMs: Type.Optional(Type.Integer({ minimum: 0, maximum: longestWaitMs })),
  },
  closed,
)
export type OpenRequest = Static<typeof OpenRequest>
