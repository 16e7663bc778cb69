import { type Static, Type } from 'typebox'
import { DocumentStatus } from './document-status.ts'
import { orUndefined } from './or-undefined.ts'
import { PoolProblem } from './pool-problem.ts'
import { PoolSizingReport } from './pool-sizing-report.ts'
import { ThinReport } from './thin-pods.ts'

const Count = Type.Integer({ minimum: 0 })

/** One pool as `GET /v1/pools` shows it. Counts are pods, except `waiting`. */
export const PoolReport = Type.Object({
  agentType: Type.String(),
  desired: Type.Object({ min: Count, max: Count }),
  ready: Count,
  warming: Count,
  claimed: Count,
  draining: Count,
  failed: Count,
  /** Opens that wait in all replicas; without Redis, in this one. */
  waiting: Count,
  /** Share of the last 1,000 sessions that got their pod without waiting; undefined before the first. */
  hitRate: orUndefined(Type.Number()),
  boundBy: orUndefined(Type.String()),
  message: orUndefined(Type.String()),
  /** Why the pool does not get its pods; undefined while it does. */
  problem: orUndefined(PoolProblem),
  /** Where the number of idle pods comes from; undefined until the controller has decided. */
  sizing: orUndefined(PoolSizingReport),
  /** Pods in all that the ResourceQuotas of the namespace allow this pool beside what others use. */
  quotaPods: orUndefined(Count),
  /** Idle pods beyond `min` that make room for pods of others that no node has room for. */
  yielded: orUndefined(Count),
  thin: orUndefined(ThinReport),
  configuration: DocumentStatus,
})
export type PoolReport = Static<typeof PoolReport>
