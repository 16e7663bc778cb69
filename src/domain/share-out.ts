/**
 * Shares a whole number out in proportion to weights, so that the parts are whole numbers and add up to it exactly: the
 * method of the largest remainder. Equal remainders go to the earlier weight. All weights 0: nothing is shared.
 */
export function shareOut(total: number, weights: readonly number[]): number[] {
  const all = weights.reduce((sum, weight) => sum + BigInt(weight), 0n)
  if (all === 0n) return weights.map(() => 0)
  // total × weight passes 2^53 for a hundred pods in a month, so the products are BigInt.
  const parts = weights.map((weight, at) => {
    const product = BigInt(total) * BigInt(weight)
    return { at, whole: product / all, remainder: product % all }
  })
  const shared = parts.reduce((sum, { whole }) => sum + whole, 0n)
  const rest = Number(BigInt(total) - shared)
  const largest = [...parts].sort((a, b) => compare(b.remainder, a.remainder) || a.at - b.at).slice(0, rest)
  const result = parts.map(({ whole }) => Number(whole))
  for (const { at } of largest) result[at] = (result[at] ?? 0) + 1
  return result
}

function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0
}
