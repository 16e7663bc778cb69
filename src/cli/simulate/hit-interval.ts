const z95 = 1.96

/** 95 % interval of the hit rate (Wilson): with few misses it says how little is known. */
export function hitInterval(claims: number, misses: number): readonly [number, number] {
  if (claims === 0) return [0, 1]
  const hit = 1 - misses / claims
  const weight = z95 ** 2 / claims
  const middle = (hit + weight / 2) / (1 + weight)
  const half = (z95 * Math.sqrt((hit * (1 - hit)) / claims + weight / (4 * claims))) / (1 + weight)
  return [Math.max(0, middle - half), Math.min(1, middle + half)]
}
