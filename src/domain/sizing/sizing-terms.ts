import { type Static, Type } from 'typebox'

/** What decided the target, where it was not the rule's own number. */
export const TargetBound = Type.Union([
  Type.Literal('min'),
  Type.Literal('season'),
  Type.Literal('schedule'),
  Type.Literal('hold'),
  Type.Literal('maxIdle'),
  Type.Literal('budget'),
  Type.Literal('max'),
  Type.Literal('quota'),
  Type.Literal('failing'),
  Type.Literal('slowStarts'),
])
export type TargetBound = Static<typeof TargetBound>

/** Every number that a target was made from, in the order in which it is made. Numbers of pods unless named otherwise. */
export const SizingTerms = Type.Object(
  {
    rule: Type.Union([Type.Literal('fixed'), Type.Literal('buffer'), Type.Literal('hitRate')]),
    goal: Type.Optional(Type.Number({ description: 'The wanted hit rate.' })),
    claimsPerSecond: Type.Number({ description: 'Sessions asked for, as estimated now.' }),
    dispersion: Type.Number({
      description:
        'Variance over mean of the claims within one lead time: 1 is evenly random, more is bursty.',
    }),
    leadMeanSeconds: Type.Number({ description: 'Mean time from the creation of a pod until it is Ready.' }),
    leadP99Seconds: Type.Number(),
    inFlight: Type.Number({ description: 'Replacements under way on average: rate x mean lead time.' }),
    quantile: Type.Number({ description: 'What the rule alone asks for.' }),
    season: Type.Number({
      description: 'What this time of day needed on earlier days. Raises the target only.',
    }),
    feedback: Type.Number({
      description: 'Added to it, or taken away, so that the claims of the past would have met the goal.',
    }),
    schedule: Type.Number({ description: 'What the windows of `schedule` ask for; 0 outside of them.' }),
    window: Type.Optional(Type.String({ description: 'The window that asks for it.' })),
    hold: Type.Number({ description: 'Highest of quantile and season in the last two minutes.' }),
    maxIdle: Type.Optional(Type.Number()),
    budget: Type.Optional(Type.Number({ description: 'What the budget of idle pod-hours allows now.' })),
    min: Type.Number(),
    room: Type.Number({ description: 'What max or the quota leave for idle pods beside the claimed ones.' }),
    boundBy: Type.Optional(TargetBound),
    target: Type.Number({ description: 'Idle pods that the pool keeps, Ready or starting.' }),
  },
  { additionalProperties: false },
)
export type SizingTerms = Static<typeof SizingTerms>
