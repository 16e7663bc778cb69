import { type Static, Type } from 'typebox'
import { orUndefined } from './or-undefined.ts'

const Count = Type.Integer({ minimum: 0 })

/** How long the course of a pool is kept. */
export const keptHistoryMinutes = 1_440

export const PoolHistoryPoint = Type.Object({
  at: Type.String({
    format: 'date-time',
    description: "The full minute, by PostgreSQL's clock. RFC 3339, UTC.",
  }),
  idle: Count,
  claimed: Count,
  waiting: orUndefined(Type.Integer({ minimum: 0, description: 'Absent where Redis was away.' })),
  hitRate: orUndefined(
    Type.Number({
      description:
        'Share of the sessions of the minute before that did not wait for their pod; absent without any.',
    }),
  ),
})
export type PoolHistoryPoint = Static<typeof PoolHistoryPoint>

export const PoolHistory = Type.Object({
  agentType: Type.String(),
  points: Type.Array(PoolHistoryPoint, {
    description: 'Oldest first. Minutes in which no controller led are missing.',
  }),
})
export type PoolHistory = Static<typeof PoolHistory>

/** What the leader sees of a pool at one moment. */
export interface PoolSample {
  readonly agentType: string
  readonly idle: number
  readonly claimed: number
  readonly waiting: number | undefined
}

/** PostgreSQL's memory of the last day of each pool, a point a minute. */
export interface PoolHistoryLedger {
  /** Adds the points of this minute, unless they are there, and forgets those of the day before. */
  add(samples: readonly PoolSample[]): Promise<void>
  /** Of the last `minutes`, oldest first. */
  read(agentType: string, minutes: number): Promise<readonly PoolHistoryPoint[]>
}
