/** Random choices that can be had again by their seed. */
export interface SeededRandom {
  /** At least `least`, below `below`; not whole. */
  between(least: number, below: number): number
  chance(share: number): boolean
  pick<T>(choices: readonly [T, ...T[]]): T
  /** By weight; weights are positive. */
  weighted<T>(choices: readonly [readonly [T, number], ...(readonly [T, number])[]]): T
}

/** mulberry32: 32 bits of state are plenty to choose faults, and the same everywhere. */
export function createSeededRandom(seed: number): SeededRandom {
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const between = (least: number, below: number) => least + next() * (below - least)
  return {
    between,
    chance: (share) => next() < share,
    pick: (choices) => choices[Math.floor(next() * choices.length)] ?? choices[0],
    weighted(choices) {
      let left = between(
        0,
        choices.reduce((sum, [, weight]) => sum + weight, 0),
      )
      for (const [choice, weight] of choices) {
        left -= weight
        if (left < 0) return choice
      }
      return choices[0][0]
    },
  }
}
