import { type Static, Type } from 'typebox'

/** `rollout` of a pool in `agent-pools`: how idle pods are replaced when what they are made from has changed. */
export const RolloutSpec = Type.Object(
  {
    maxUnavailable: Type.Union(
      [Type.Integer({ minimum: 1, maximum: 100_000 }), Type.String({ pattern: '^([1-9][0-9]?|100)%$' })],
      {
        default: '10%',
        description:
          'Most idle pods that are replaced at a time: a number, or a share of the idle pods, at least one. Never fewer than the idle pods are Ready.',
      },
    ),
    paused: Type.Boolean({
      default: false,
      description:
        'True: no pod is replaced, and new pods are made as those before, if any of them was Ready.',
    }),
    canary: Type.Optional(
      Type.Object(
        {
          pods: Type.Integer({ minimum: 0, maximum: 1_000, description: '0: no canary.' }),
          seconds: Type.Integer({ minimum: 1, maximum: 86_400, default: 60 }),
        },
        {
          additionalProperties: false,
          description:
            'So many new pods must serve a session, or stay Ready for so long, before others follow; until then the pool is refilled from the last good template. If one of them fails, the roll-out stops. Without it, a new template has one pod to be Ready for a second, and a new row or key has none.',
        },
      ),
    ),
  },
  { additionalProperties: false, default: {} },
)
export type RolloutSpec = Static<typeof RolloutSpec>

/** How many idle pods may be replaced at a time. */
export function rollStepOf(maxUnavailable: RolloutSpec['maxUnavailable'], idle: number): number {
  if (typeof maxUnavailable === 'number') return maxUnavailable
  return Math.max(1, Math.floor((idle * Number.parseInt(maxUnavailable, 10)) / 100))
}
