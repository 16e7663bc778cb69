import { type Static, Type } from 'typebox'
import { SizingTerms } from './sizing/sizing-terms.ts'

const Count = Type.Integer({ minimum: 0 })

/** Where the number of idle pods of a pool comes from. */
export const PoolSizingReport = Type.Object({
  mode: Type.Union([Type.Literal('apply'), Type.Literal('recommend')]),
  /** Idle pods that the pool keeps now, Ready or starting. */
  target: Count,
  /** What the rule would have, in mode "recommend". */
  recommended: Type.Optional(Count),
  terms: SizingTerms,
  sentence: Type.String(),
})
export type PoolSizingReport = Static<typeof PoolSizingReport>
