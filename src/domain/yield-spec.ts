import { Type } from 'typebox'

/** `yieldTo` of a pool. */
export const YieldSpec = Type.Union([Type.Literal('nobody'), Type.Literal('pending')], {
  default: 'nobody',
  description:
    'pending: idle pods beyond min make room for pods of others in this namespace that no node has room for, in small steps, and come back after.',
})
