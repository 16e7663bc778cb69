/** A heap of times: the earliest comes out first. Numbers only, so that millions of them cost little. */
export class TimeHeap {
  readonly #times: number[] = []

  get size(): number {
    return this.#times.length
  }

  /** Infinity if there is none. */
  get earliest(): number {
    return this.#times[0] ?? Number.POSITIVE_INFINITY
  }

  push(time: number): void {
    const times = this.#times
    let index = times.push(time) - 1
    while (index > 0) {
      const parent = (index - 1) >> 1
      const above = times[parent] as number
      if (above <= time) break
      times[index] = above
      index = parent
    }
    times[index] = time
  }

  pop(): number {
    const times = this.#times
    const first = this.earliest
    const last = times.pop()
    if (last === undefined || times.length === 0) return first
    let index = 0
    for (;;) {
      let child = 2 * index + 1
      if (child >= times.length) break
      if (child + 1 < times.length && (times[child + 1] as number) < (times[child] as number)) child += 1
      const below = times[child] as number
      if (below >= last) break
      times[index] = below
      index = child
    }
    times[index] = last
    return first
  }
}
