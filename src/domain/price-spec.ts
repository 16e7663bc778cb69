import { Type } from 'typebox'

/** Of one pod for an hour, in any currency. A million keeps the cost of a year of 100,000 pods below 2^53 cents. */
export const PricePerPodHour = Type.Number({
  minimum: 0,
  maximum: 1_000_000,
  description:
    'What one pod of this pool costs for an hour, in the currency of your bills; six decimals count. For the usage report.',
})
