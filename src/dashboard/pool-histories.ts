import type { PoolHistory, PoolHistoryPoint } from '../domain/pool-history.ts'
import type { DashboardApi } from './dashboard-api.ts'

interface PoolHistoriesOptions {
  readonly api: () => DashboardApi
  readonly show: (histories: ReadonlyMap<string, readonly PoolHistoryPoint[]>) => void
}

export const shownMinutes = 30
/** There is a new point each minute. */
const everyMs = 20_000
/** Of the six connections that a browser opens to one address; one is the stream of events. */
const atOnce = 3

/** The last minutes of the pools that are on the page, for their sparklines. */
export function createPoolHistories({ api, show }: PoolHistoriesOptions) {
  const histories = new Map<string, readonly PoolHistoryPoint[]>()
  let reading = new AbortController()
  let timer: ReturnType<typeof setTimeout> | undefined

  async function read(agentTypes: readonly string[], signal: AbortSignal): Promise<void> {
    const left = [...agentTypes]
    async function readSome(): Promise<void> {
      for (let name = left.shift(); name !== undefined && !signal.aborted; name = left.shift())
        histories.set(name, await historyOf(name, signal))
    }
    if (!document.hidden) {
      await Promise.all(Array.from({ length: atOnce }, readSome))
      if (!signal.aborted) show(histories)
    }
    if (!signal.aborted) timer = setTimeout(() => void read(agentTypes, signal), everyMs)
  }

  async function historyOf(agentType: string, signal: AbortSignal): Promise<readonly PoolHistoryPoint[]> {
    const path = `/v1/pools/${encodeURIComponent(agentType)}/history?minutes=${shownMinutes}`
    try {
      return (await api().ask<PoolHistory>(path, { signal })).points
    } catch {
      // The line ends where it was; the note below the table says what is not known.
      return histories.get(agentType) ?? []
    }
  }

  function stop(): void {
    clearTimeout(timer)
    reading.abort()
  }

  return {
    follow(agentTypes: readonly string[]) {
      stop()
      reading = new AbortController()
      if (agentTypes.length > 0) void read(agentTypes, reading.signal)
    },
    stop,
  }
}
