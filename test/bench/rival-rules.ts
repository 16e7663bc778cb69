import type { Sizer } from '../../src/cli/simulate/simulate-pool.ts'

/**
 * How others size a warm pool, each with one parameter that the bench tunes in hindsight. They decide on their own period;
 * a claim that missed still gets its replacement at once, which is kinder than the real ones are.
 */
export interface RivalRule {
  readonly name: string
  /** From the fewest pods to the most. */
  readonly parameters: readonly number[]
  readonly create: (parameter: number) => Sizer
}

/** Decides when the period is over, and keeps its number meanwhile. */
function every(seconds: number, decide: (input: Parameters<Sizer>[0]) => number): Sizer {
  let next = Number.NEGATIVE_INFINITY
  let target = 0
  return (input) => {
    if (input.now < next) return target
    next = input.now + seconds * 1_000
    target = decide(input)
    return target
  }
}

/** FleetAutoscaler, buffer in percent: ceil(allocated * 100 / (100 - p)) - allocated, every 30 s. */
const agonesPercent: RivalRule = {
  name: 'Agones buffer, percent',
  parameters: [2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50],
  create: (percent) => every(30, ({ claimed }) => Math.ceil((claimed * 100) / (100 - percent)) - claimed),
}

/** FleetAutoscaler, buffer of N pods: the fleet is allocated + N, looked at every 30 s; until then nothing is replaced. */
const agonesPods: RivalRule = {
  name: 'Agones buffer, pods',
  parameters: [4, 6, 8, 10, 13, 16, 20, 25, 32, 40, 50, 64, 80, 100, 130],
  create: (pods) => {
    let next = Number.NEGATIVE_INFINITY
    let fleet = pods
    return ({ now, claimed, ready, starting, waiting }) => {
      if (now >= next) {
        next = now + 30_000
        fleet = claimed + pods
      }
      // Between two looks the fleet keeps its size; sessions that ended leave room for new pods.
      return Math.max(ready + starting - waiting, fleet - claimed)
    }
  },
}

/** KEDA on a claim rate: pool = rate of the last minute x seconds of demand; 15 s polls, down only after 300 s. */
const kedaRate: RivalRule = {
  name: 'KEDA rate rule',
  parameters: [8, 12, 16, 20, 25, 32, 40, 60, 90, 140, 220, 350],
  create: (seconds) => {
    const counts: number[] = []
    const wishes: number[] = []
    let arrivals = 0
    const poll = every(15, () => {
      counts.push(arrivals)
      arrivals = 0
      // Two polls of metric lag are left out: the rate is of the minute before the newest sample.
      if (counts.length > 5) counts.shift()
      const seen = counts.slice(0, -1)
      const rate = seen.reduce((sum, count) => sum + count, 0) / 60
      wishes.push(Math.max(1, Math.ceil(rate * seconds)))
      if (wishes.length > 20) wishes.shift()
      return Math.max(...wishes)
    })
    return (input) => {
      arrivals += input.arrivals
      return poll(input)
    }
  },
}

/** OpenKruise: keep the available pods at a watermark with 10 % tolerance, looked at every 15 s, down after 300 s. */
const watermark: RivalRule = {
  name: 'OpenKruise watermark',
  parameters: [2, 3, 4, 5, 6, 8, 10, 13, 16, 20, 25, 32, 40, 50, 64, 80, 100, 130],
  create: (available) => {
    let shrinkAt = Number.POSITIVE_INFINITY
    return every(15, ({ now, ready, starting, waiting }) => {
      const position = ready + starting - waiting
      if (ready < available * 0.9) {
        shrinkAt = Number.POSITIVE_INFINITY
        // It asks for what is missing, whatever is under way already.
        return Math.min(position + (available - ready), 4 * available)
      }
      if (ready <= available * 1.1) return position
      if (shrinkAt === Number.POSITIVE_INFINITY) shrinkAt = now + 300_000
      return now >= shrinkAt ? Math.max(available, position - (ready - available)) : position
    })
  },
}

export const rivalRules: readonly RivalRule[] = [agonesPercent, agonesPods, kedaRate, watermark]
