import { type Static, Type } from 'typebox'

/**
 * `sizing` of a pool: how many idle pods it keeps. Exactly one of three rules: a fixed number, a buffer beside the claimed
 * pods, or as few as a wanted hit rate needs. Without `sizing` a pool keeps `min`.
 */

const closed = { additionalProperties: false } as const

/** The same ceiling as of `min` and `max`. */
const mostPods = 100_000

const BufferSpec = Type.Object(
  {
    percent: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 99,
        description: 'This share of all pods is idle: ceil(claimed * 100 / (100 - percent)) - claimed.',
      }),
    ),
    pods: Type.Optional(
      Type.Integer({ minimum: 0, maximum: mostPods, description: 'Idle pods beside the claimed ones.' }),
    ),
  },
  closed,
)

const BudgetSpec = Type.Object(
  {
    idlePodHoursPerDay: Type.Number({
      exclusiveMinimum: 0,
      maximum: mostPods * 24,
      description:
        'Hours of idle pods that may be spent in a day. What quiet hours leave over, up to one day of it, is spent in busy ones.',
    }),
  },
  closed,
)

const HitRateSpec = Type.Object(
  {
    target: Type.Number({
      // Below one half an idle pod is not worth having. Above 99.99 % a day of claims cannot tell whether it is kept.
      minimum: 0.5,
      maximum: 0.9999,
      description: 'Share of the opens that shall find a warm pod, such as 0.999.',
    }),
    maxIdle: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: mostPods,
        description: 'Most idle pods that this rule may ask for. `min` and `schedule` may ask for more.',
      }),
    ),
    budget: Type.Optional(BudgetSpec),
  },
  closed,
)

export const SizingSpec = Type.Object(
  {
    mode: Type.Union([Type.Literal('apply'), Type.Literal('recommend')], {
      default: 'apply',
      description: '"recommend" shows the target that the rule would set; the pool goes on keeping `min`.',
    }),
    fixed: Type.Optional(
      Type.Integer({ minimum: 0, maximum: mostPods, description: 'As many idle pods, always.' }),
    ),
    buffer: Type.Optional(BufferSpec),
    hitRate: Type.Optional(HitRateSpec),
  },
  closed,
)
export type SizingSpec = Static<typeof SizingSpec>
export type HitRateSpec = Static<typeof HitRateSpec>

const rules = ['fixed', 'buffer', 'hitRate'] as const

/** What the schema cannot say. Each problem begins with the place that is given, such as `/pools/echo-agent/sizing`. */
export function sizingProblems(sizing: SizingSpec, at: string): string[] {
  const problems: string[] = []
  const given = rules.filter((rule) => sizing[rule] !== undefined)
  if (given.length === 0) problems.push(`${at}: needs one of ${rules.join(', ')}`)
  if (given.length > 1) problems.push(`${at}: takes one rule, and has ${given.join(' and ')}`)
  if (sizing.buffer) {
    const { percent, pods } = sizing.buffer
    if (percent === undefined && pods === undefined) problems.push(`${at}/buffer: needs percent or pods`)
    if (percent !== undefined && pods !== undefined)
      problems.push(`${at}/buffer: takes percent or pods, not both`)
  }
  return problems
}
