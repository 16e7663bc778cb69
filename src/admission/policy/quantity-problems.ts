import { parseQuantity } from '../../domain/quantity.ts'

/** Why this is no size of something; empty if it is, or is absent. */
export function quantityProblems(at: string, quantity: string | number | undefined): string[] {
  if (quantity === undefined) return []
  const value = parseQuantity(quantity)
  if (value === undefined) return [`${at}: ${quantity} is not a quantity such as 250m or 1Gi`]
  return value > 0n ? [] : [`${at}: must be more than 0`]
}
