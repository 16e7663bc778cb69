/**
 * How bursty claims are within one lead time: variance over mean of the counts of windows as long as it. Successive counts
 * are compared, so slow changes of the rate do not count as bursts; nor do bursts much longer than the lead time.
 */
export interface DispersionMemory {
  windowEndsAt: number
  count: number
  previous: number
  squares: number
  sums: number
}

const memorySeconds = 6 * 3_600

/** Counts of evenly random claims that are believed to have been seen before the first. */
const priorSum = 20

export function emptyDispersionMemory(now: number): DispersionMemory {
  return { windowEndsAt: now, count: 0, previous: 0, squares: 0, sums: 0 }
}

/** Changes `memory`. `now` in epoch milliseconds; the windows are `windowSeconds` long from here on. */
export function noteCounts(
  memory: DispersionMemory,
  now: number,
  claims: number,
  windowSeconds: number,
): void {
  const windowMs = windowSeconds * 1_000
  if (now >= memory.windowEndsAt) {
    const empty = Math.floor((now - memory.windowEndsAt) / windowMs)
    closeWindow(memory, memory.count)
    if (empty > 0) closeWindow(memory, 0)
    // Further empty windows are alike and add nothing; they only make the older ones count less.
    const kept = Math.exp(-((empty + 1) * windowSeconds) / memorySeconds)
    memory.squares *= kept
    memory.sums *= kept
    if (empty > 1) memory.previous = 0
    memory.windowEndsAt += (empty + 1) * windowMs
  } else if (memory.windowEndsAt - now > windowMs) {
    // The clock jumped back, or the lead time fell.
    memory.windowEndsAt = now + windowMs
  }
  memory.count += claims
}

function closeWindow(memory: DispersionMemory, count: number): void {
  memory.squares += (count - memory.previous) ** 2
  memory.sums += count + memory.previous
  memory.previous = count
  memory.count = 0
}

/** 1 is evenly random; never less, for a pool gains nothing by trusting claims to keep a distance. */
export function dispersionOf({ squares, sums }: DispersionMemory): number {
  return Math.max(1, (squares + priorSum) / (sums + priorSum))
}
