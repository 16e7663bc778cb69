import type { DocumentView } from '../domain/cluster-ports.ts'
import type { UsageWindow } from '../domain/pod-life.ts'
import type { PoolsDocument } from '../domain/pool.ts'
import type { UsageCoverage, UsageReader } from '../domain/pool-ports.ts'
import { type UsageBy, type UsageReport, usageReport } from '../domain/usage-report.ts'
import { readUsageWindow } from '../domain/usage-window.ts'
import { GreenroomError } from '../errors.ts'

interface ReadUsageDeps {
  readonly usage: UsageReader
  readonly pools: Pick<DocumentView<PoolsDocument>, 'current'>
}

export interface UsageQuestion {
  readonly from: string
  readonly to: string
  readonly by: UsageBy
  /** Per pod-hour, instead of the pools' own prices. */
  readonly price: number | undefined
}

/** Projects are named by callers, so there may be any number. A report of 10,000 rows has 2 MB. */
const mostSums = 10_000

/** GET /v1/usage. Throws for a window that is none, or of which not everything is recorded. */
export function createReadUsage({ usage, pools }: ReadUsageDeps) {
  return async function readUsage({ from, to, by, price }: UsageQuestion): Promise<UsageReport> {
    const coverage = await usage.coverage()
    const read = readUsageWindow(from, to, coverage.now)
    if (!read.ok) throw new GreenroomError('GRN_USAGE_WINDOW', `No such window: ${read.problem}.`)
    const { window } = read
    assertCovered(window, coverage)
    const until = Math.min(window.to, coverage.now)
    const options = { byProject: by !== 'pool', limit: mostSums + 1 }
    const sums = await usage.sums({ from: window.from, to: until }, options)
    if (sums.length > mostSums)
      throw new GreenroomError('GRN_USAGE_TOO_LARGE', `The report would have more than ${mostSums} rows.`)
    const inForce = pools.current()?.pools ?? {}
    const priceOf = (agentType: string) =>
      price ?? (Object.hasOwn(inForce, agentType) ? inForce[agentType]?.pricePerPodHour : undefined)
    return usageReport({ window, until, by, sums, priceOf })
  }
}

export type ReadUsage = ReturnType<typeof createReadUsage>

function assertCovered({ from }: UsageWindow, { completeSince }: UsageCoverage): void {
  if (completeSince === undefined)
    throw new GreenroomError('GRN_USAGE_NOT_KEPT', 'No controller of this version has led yet.')
  if (from >= completeSince) return
  const first = new Date(Math.ceil(completeSince)).toISOString()
  throw new GreenroomError(
    'GRN_USAGE_NOT_KEPT',
    `Not all pods before ${first} are recorded; a window may begin there.`,
  )
}
