import type { UsageReport } from '../domain/usage-report.ts'
import { usageCsv } from '../http/usage-csv.ts'
import { action } from './line/command-spec.ts'
import { formOf, printView, type View } from './line/print-view.ts'
import { formOptions, serverOptions } from './line/shared-options.ts'
import { wrongArguments } from './line/wrong-arguments.ts'
import { openServer } from './reach/server-connection.ts'

const hourSeconds = 3_600

type Row = Omit<UsageReport['total'], 'startingSeconds'> & { readonly project: string; readonly pool: string }

export const usage = action({
  summary: 'Say which project used how much pod time, and what it cost',
  about: `A session counts from its claim of a pod to its end; the idle time of each pool is shared out in proportion to that. What still runs is counted up to now. docs/usage.md has the whole of it.`,
  options: {
    from: {
      type: 'string',
      value: 'TIME',
      help: 'the begin, included: 2026-11-01 (midnight UTC) or 2026-11-01T09:00:00+01:00',
    },
    to: { type: 'string', value: 'TIME', help: 'the end, excluded' },
    by: {
      type: 'string',
      value: 'WHAT',
      default: 'project',
      help: 'what a row stands for: project, pool or project,pool',
    },
    csv: { type: 'boolean', help: 'CSV, with seconds of three decimals and without a total' },
    price: {
      type: 'string',
      value: 'NUMBER',
      help: 'per pod-hour, for all pools, instead of pricePerPodHour in agent-pools',
    },
    ...formOptions,
    ...serverOptions,
  },
  examples: [
    { line: 'greenroom usage --from 2026-11-01 --to 2026-12-01', does: 'Each project in November' },
    {
      line: 'greenroom usage --from 2026-11-01 --to 2026-12-01 --by pool --csv',
      does: 'Each pool, for a spreadsheet',
    },
  ],
  async run({ options }) {
    const { from, to, by, csv, price, json, output } = options
    if (from === undefined || to === undefined) throw wrongArguments('--from and --to are needed.')
    if (csv === true && (json === true || output !== undefined))
      throw wrongArguments('--csv excludes --json and -o.')
    const form = formOf(options)
    const query = new URLSearchParams({ from, to, by, ...(price !== undefined && { price }) })
    await using server = await openServer(options)
    const report = await server.ask<UsageReport>(`/v1/usage?${query.toString()}`)
    if (csv === true) process.stdout.write(usageCsv(report))
    else printView(viewOf(report), form)
  },
})

function viewOf(report: UsageReport): View<Row> {
  const { from, to, until, by, rows, total, inexactSeconds } = report
  const named = { project: by !== 'pool', pool: by !== 'project' }
  const counted = until === to ? '' : `, counted up to ${until}`
  const inexact =
    inexactSeconds > 0
      ? `\nPod time may be wrong by ${inexactSeconds.toFixed(1)} s: no controller watched then.`
      : ''
  const shown: Row[] = rows.map((row) => ({
    ...row,
    project: row.unshared ? '(unshared)' : (row.projectId ?? '(no project)'),
    pool: row.agentType ?? '',
  }))
  const sum: Row = { ...total, project: 'TOTAL', pool: named.project ? '' : 'TOTAL' }
  return {
    document: report,
    rows: [...shown, sum],
    nameOf: ({ project, pool }) =>
      [...(named.project ? [`project/${project}`] : []), ...(named.pool ? [`pool/${pool}`] : [])].join(' '),
    empty: 'Nothing was used.',
    before: `${from} to ${to}${counted}`,
    after: `${hours(total.startingSeconds)} of the idle hours were pods that started.${inexact}`,
    columns: [
      ...(named.project ? [{ title: 'PROJECT', of: ({ project }: Row) => project }] : []),
      ...(named.pool ? [{ title: 'POOL', of: ({ pool }: Row) => pool }] : []),
      { title: 'SESSIONS', of: ({ sessions }) => String(sessions) },
      { title: 'SESSION HOURS', of: ({ sessionSeconds }) => hours(sessionSeconds) },
      { title: 'IDLE HOURS', of: ({ idleSeconds }) => hours(idleSeconds) },
      { title: 'POD HOURS', of: ({ podSeconds }) => hours(podSeconds) },
      { title: 'COST', of: ({ cost }) => (cost === undefined ? '-' : cost.toFixed(2)) },
    ],
  }
}

function hours(seconds: number): string {
  return (seconds / hourSeconds).toFixed(4)
}
