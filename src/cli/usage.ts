import { parseArgs } from 'node:util'
import type { UsageReport } from '../domain/usage-report.ts'
import { GreenroomError } from '../errors.ts'
import { usageCsv } from '../http/usage-csv.ts'
import { askServer, printingRefusals, serverOptions } from './ask-server.ts'
import type { CommandProgram } from './command.ts'
import { textTable } from './text-table.ts'

const usageText = `usage: usage --from TIME --to TIME [--by project|pool|project,pool] [--csv | --json] [--price NUMBER]
Says which project used how much pod time, and what it cost. A session counts from its claim of a pod to its end; the
idle time of each pool is shared out in proportion to that. What still runs is counted up to now.
--from TIME     the begin, included: 2026-11-01 (midnight UTC) or 2026-11-01T09:00:00+01:00
--to TIME       the end, excluded
--by WHAT       what a row stands for (default: project)
--csv, --json   instead of a table; CSV has seconds with three decimals and no total
--price NUMBER  per pod-hour, for all pools, instead of pricePerPodHour in agent-pools
--server URL    the session API (default: GREENROOM_API_URL)
--key KEY       an API key (default: GREENROOM_API_KEY)
Exit code: 0 the report is printed; 2 it could not be made, or the arguments are wrong.`

const hourSeconds = 3_600

export const usage: CommandProgram = { usage: usageText, run: runUsage }

/** The command: prints the report on stdout and resolves with the exit code. */
async function runUsage(argv: readonly string[]): Promise<number> {
  return printingRefusals(async () => {
    const { form, query, server, key } = readArguments(argv)
    const report = await askServer<UsageReport>(`/v1/usage?${new URLSearchParams(query).toString()}`, {
      server,
      key,
    })
    process.stdout.write(forms[form](report))
    return 0
  })
}

const forms = {
  csv: usageCsv,
  json: (report: UsageReport) => `${JSON.stringify(report, undefined, 2)}\n`,
  table: inWords,
} as const

function inWords({ from, to, until, by, rows, total, inexactSeconds }: UsageReport): string {
  const named = { project: by !== 'pool', pool: by !== 'project' }
  const cells = (names: readonly string[], row: Omit<UsageReport['total'], 'startingSeconds'>) => [
    ...names,
    String(row.sessions),
    ...[row.sessionSeconds, row.idleSeconds, row.podSeconds].map(hours),
    row.cost === undefined ? '-' : row.cost.toFixed(2),
  ]
  const head = [...(named.project ? ['PROJECT'] : []), ...(named.pool ? ['POOL'] : [])]
  const table = textTable([
    [...head, 'SESSIONS', 'SESSION HOURS', 'IDLE HOURS', 'POD HOURS', 'COST'],
    ...rows.map((row) =>
      cells(
        [
          ...(named.project ? [row.unshared ? '(unshared)' : (row.projectId ?? '(no project)')] : []),
          ...(named.pool ? [row.agentType ?? ''] : []),
        ],
        row,
      ),
    ),
    cells(
      head.map((_, at) => (at === 0 ? 'TOTAL' : '')),
      total,
    ),
  ])
  const counted = until === to ? '' : `, counted up to ${until}`
  const inexact =
    inexactSeconds > 0
      ? `Pod time may be wrong by ${inexactSeconds.toFixed(1)} s: no controller watched then.\n`
      : ''
  return `${from} to ${to}${counted}\n${table}\n${hours(total.startingSeconds)} of the idle hours were pods that started.\n${inexact}`
}

function hours(seconds: number): string {
  return (seconds / hourSeconds).toFixed(4)
}

function readArguments(argv: readonly string[]) {
  try {
    const { from, to, by, csv, json, price, server, key } = parseArgs({
      args: [...argv],
      options: {
        from: { type: 'string' },
        to: { type: 'string' },
        by: { type: 'string', default: 'project' },
        csv: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        price: { type: 'string' },
        ...serverOptions,
      },
    }).values
    if (from === undefined || to === undefined) throw new Error('--from and --to are needed')
    if (csv && json) throw new Error('--csv and --json exclude each other')
    const query = { from, to, by, ...(price !== undefined && { price }) }
    return { form: csv ? 'csv' : json ? 'json' : 'table', query, server, key } as const
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error)
    throw new GreenroomError('GRN_INVALID_CONFIG', `${problem}\n${usageText}\n`)
  }
}
