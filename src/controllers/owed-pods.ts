/** A pool that has learned no start time yet: longer than most agents start, shorter than a caller's patience lasts. */
const assumedStartMs = 30_000
const shortestMs = 10_000
const longestMs = 10 * 60_000

interface OwedInput {
  /** Opens that wait now. */
  readonly waiting: number
  /** Sessions that took a pod since the last look. */
  readonly claimed: number
  /** 0 before there is data. */
  readonly startP99Seconds: number
  readonly now: number
}

/**
 * Pods beyond the target for opens that wait. A caller whose patience is shorter than a start gives up and comes again.
 * If its pod were retired meanwhile, every try would begin from nothing and none would ever be served. So a pod stays
 * owed for two start-up times after its open gave up, unless somebody took it.
 */
export function createOwedPods() {
  let owed = 0
  let until = 0
  return function look({ waiting, claimed, startP99Seconds, now }: OwedInput): number {
    const startMs = startP99Seconds > 0 ? startP99Seconds * 1_000 : assumedStartMs
    owed = now < until ? Math.max(0, owed - claimed) : 0
    if (waiting > 0 && waiting >= owed) {
      owed = waiting
      until = now + Math.min(longestMs, Math.max(shortestMs, 2 * startMs))
    }
    return owed
  }
}
