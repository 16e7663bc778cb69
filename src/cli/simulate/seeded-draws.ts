/** Random numbers that are the same for the same seed: a simulation can be repeated to the last digit. */
export interface SeededDraws {
  /** Uniform in [0, 1). */
  uniform(): number
  /** Standard normal. */
  normal(): number
  /** Mean 1. */
  exponential(): number
}

/** mulberry32: 32 bits of state, far more numbers than a simulation draws before it repeats. */
export function createSeededDraws(seed: number): SeededDraws {
  let state = seed >>> 0
  const uniform = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = state
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const exponential = (): number => -Math.log(1 - uniform())
  const normal = (): number => Math.sqrt(2 * exponential()) * Math.cos(2 * Math.PI * uniform())
  return { uniform, normal, exponential }
}
