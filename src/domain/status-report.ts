import { type Static, Type } from 'typebox'
import { orUndefined } from './or-undefined.ts'

/** `GET /v1/status`: whether everything is well, what is not, and what to type. */

export const statusPartNames = [
  'kubernetes',
  'postgresql',
  'redis',
  'livekit',
  'webhook',
  'webhook-certificate',
  'controller',
  'agent-policy',
  'agent-pools',
] as const
export type StatusPartName = (typeof statusPartNames)[number]

/** `unknown`: it could not be asked. `off`: this installation has none. */
const partStates = ['ok', 'degraded', 'down', 'unknown', 'off'] as const
export type StatusPartState = (typeof partStates)[number]

const Time = Type.String({ format: 'date-time', description: 'RFC 3339, UTC.' })
const Count = Type.Integer({ minimum: 0 })
const Name = Type.Unsafe<StatusPartName>(Type.Union(statusPartNames.map((name) => Type.Literal(name))))
const State = Type.Unsafe<StatusPartState>(Type.Union(partStates.map((state) => Type.Literal(state))))

export const StatusPart = Type.Object({
  part: Name,
  state: State,
  detail: Type.String({ description: 'One sentence.' }),
  since: orUndefined(
    Type.String({
      format: 'date-time',
      description: 'Since when this replica has found this state; absent while all is well.',
    }),
  ),
  daysLeft: orUndefined(Type.Number({ description: 'Of a certificate, until it ends.' })),
  leader: orUndefined(Type.String({ description: 'The elected controller, as the Lease names it.' })),
  generation: orUndefined(
    Type.Object(
      { seen: orUndefined(Type.String()), applied: orUndefined(Type.String()) },
      { description: 'resourceVersion of the document that was seen last, and of the one in force.' },
    ),
  ),
})
export type StatusPart = Static<typeof StatusPart>

export const StatusProblem = Type.Object({
  code: Type.String({ description: 'GRN_*, or the cause of the problem of a pool (docs/pool-problems.md).' }),
  subject: Type.String(),
  what: Type.String({ description: 'One sentence: what is wrong.' }),
  cause: Type.String({ description: 'Why, as far as it is known.' }),
  command: Type.String({ description: 'What to type first. It changes nothing.' }),
  since: orUndefined(Time),
})
export type StatusProblem = Static<typeof StatusProblem>

export const StatusTotals = Type.Object(
  {
    pools: Count,
    idle: orUndefined(Count),
    warming: orUndefined(Count),
    claimed: orUndefined(Count),
    waiting: orUndefined(Count),
    sessions: orUndefined(Count),
  },
  {
    description:
      'Pods, opens that wait, and sessions that are not ENDED; for a project its own sessions. What could not be counted is absent.',
  },
)
export type StatusTotals = Static<typeof StatusTotals>

export const StatusReport = Type.Object({
  at: Time,
  state: Type.Unsafe<'ok' | 'attention'>(Type.Union([Type.Literal('ok'), Type.Literal('attention')])),
  parts: Type.Array(StatusPart),
  problems: Type.Array(StatusProblem, {
    description: 'Empty for a credential that is bound to a project, whatever the state is.',
  }),
  totals: StatusTotals,
})
export type StatusReport = Static<typeof StatusReport>
