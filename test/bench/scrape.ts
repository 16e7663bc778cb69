/** What a process serves under /metrics, read as text of Prometheus. */

export interface HistogramNow {
  /** How many observations are at most so large, by the upper bound as it is written. */
  readonly buckets: ReadonlyMap<string, number>
  readonly sum: number
  readonly count: number
}

/** One histogram, of the series that have this label. */
export async function readHistogram(
  opsUrl: string,
  name: string,
  label: string,
): Promise<HistogramNow | undefined> {
  const text = await (await fetch(`${opsUrl}/metrics`)).text()
  const lines = text.split('\n').filter((line) => line.startsWith(name) && line.includes(label))
  if (lines.length === 0) return undefined
  const valueOf = (line = '') => Number(line.slice(line.lastIndexOf(' ') + 1))
  const buckets = lines.flatMap((line): [string, number][] => {
    const bound = /le="([^"]+)"/.exec(line)?.[1]
    return bound === undefined ? [] : [[bound, valueOf(line)]]
  })
  return {
    buckets: new Map(buckets),
    sum: valueOf(lines.find((line) => line.startsWith(`${name}_sum`))),
    count: valueOf(lines.find((line) => line.startsWith(`${name}_count`))),
  }
}

export interface Spread {
  readonly count: number
  readonly meanMs: number
  /** Upper bounds of the buckets in which they fall. */
  readonly p50Ms: number
  readonly p99Ms: number
}

/** What was observed between two looks; times are seconds in the histogram. */
export function spreadBetween(
  before: HistogramNow | undefined,
  after: HistogramNow | undefined,
): Spread | undefined {
  if (!after) return undefined
  const count = after.count - (before?.count ?? 0)
  if (count === 0) return undefined
  const counts = [...after.buckets].map(([bound, value]): [number, number] => [
    bound === '+Inf' ? Number.POSITIVE_INFINITY : Number(bound),
    value - (before?.buckets.get(bound) ?? 0),
  ])
  const at = (share: number) => {
    const [bound = 0] = counts.find(([, value]) => value >= count * share) ?? []
    return Math.round(bound * 1e6) / 1e3
  }
  const meanMs = Math.round(((after.sum - (before?.sum ?? 0)) / count) * 1e5) / 100
  return { count, meanMs, p50Ms: at(0.5), p99Ms: at(0.99) }
}
