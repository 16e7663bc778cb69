import type { PoolList, PoolReport } from '../../client/api-types.ts'
import { bareName } from '../line/bare-name.ts'
import { action } from '../line/command-spec.ts'
import type { View } from '../line/print-view.ts'
import { formOptions, serverOptions, watchOptions } from '../line/shared-options.ts'
import { showView } from '../line/show-view.ts'
import type { Tone } from '../line/view-table.ts'
import { openServer } from '../reach/server-connection.ts'

const shared = { ...formOptions, ...watchOptions, ...serverOptions }

export const listPools = action({
  summary: 'List the pools, and how many pods each has',
  options: shared,
  examples: [
    { line: 'greenroom pools list --watch', does: 'As they change' },
    {
      line: `greenroom pools list -o jsonpath='{range .pools[?(@.ready==0)]}{.agentType}{"\\n"}{end}'`,
      does: 'Those without a free pod',
    },
  ],
  async run({ options }) {
    await using server = await openServer(options)
    await showView(options, async () => {
      const list = await server.ask<PoolList>('/v1/pools')
      return poolsView(list.pools, list)
    })
  },
})

export const getPool = action({
  summary: 'Show one pool, with what keeps it from its pods',
  arguments: [{ name: 'AGENT-TYPE', help: 'the pool', kind: 'pool' }],
  options: shared,
  examples: [{ line: 'greenroom pools get echo-agent -o yaml', does: 'All that is known of it' }],
  async run({ words: [text = ''], options }) {
    await using server = await openServer(options)
    await showView(options, async () => {
      const agentType = bareName('pool', text)
      const pool = await server.ask<PoolReport>(`/v1/pools/${encodeURIComponent(agentType)}`)
      return { ...poolsView([pool], pool), ...aboutOf(pool) }
    })
  },
})

function aboutOf({ problem, sizing, message, configuration }: PoolReport): { readonly after?: string } {
  const lines = [
    ...(sizing ? [`size: ${sizing.sentence}`] : []),
    ...(message === undefined ? [] : [`note: ${message}`]),
    ...(problem
      ? [
          `problem (${problem.cause}, since ${problem.since}): ${problem.message}`,
          `remedy: ${problem.remedy}`,
        ]
      : []),
    ...(configuration.problems ?? []).map((text) => `agent-pools is not in force: ${text}`),
  ]
  return lines.length === 0 ? {} : { after: lines.join('\n') }
}

export function poolsView(pools: readonly PoolReport[], document: unknown): View<PoolReport> {
  const count = (title: string, of: (pool: PoolReport) => number | undefined, wide = false) => ({
    title,
    of: (pool: PoolReport) => String(of(pool) ?? '-'),
    wide,
  })
  return {
    document,
    rows: pools,
    nameOf: ({ agentType }) => `pool/${agentType}`,
    empty: 'There are no pools.',
    columns: [
      { title: 'POOL', of: ({ agentType }) => agentType },
      { title: 'READY', of: ({ ready }) => String(ready), tone: readyTone },
      count('WARMING', ({ warming }) => warming),
      count('CLAIMED', ({ claimed }) => claimed),
      count('WAITING', ({ waiting }) => waiting),
      count('TARGET', ({ sizing, desired }) => sizing?.target ?? desired.min),
      count('MAX', ({ desired }) => desired.max),
      {
        title: 'HIT RATE',
        of: ({ hitRate }) => (hitRate === undefined ? '-' : `${(hitRate * 100).toFixed(1)}%`),
      },
      { title: 'BOUND BY', of: ({ boundBy }) => boundBy ?? '-' },
      {
        title: 'PROBLEM',
        of: ({ problem }) => problem?.cause ?? '-',
        tone: ({ problem }) => (problem ? 'bad' : undefined),
      },
      count('MIN', ({ desired }) => desired.min, true),
      count('DRAINING', ({ draining }) => draining, true),
      count('FAILED', ({ failed }) => failed, true),
      { title: 'WHY', of: ({ sizing }) => sizing?.sentence ?? '-', wide: true },
    ],
  }
}

function readyTone({ ready, desired }: PoolReport): Tone | undefined {
  if (ready === 0 && desired.max > 0) return 'bad'
  return ready < desired.min ? 'doubtful' : 'good'
}
