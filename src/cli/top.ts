import type { PoolList, PoolReport } from '../client/api-types.ts'
import type { StatusReport } from '../domain/status-report.ts'
import { pause } from '../timing/pause.ts'
import { action } from './line/command-spec.ts'
import { isRefusal, refusalText } from './line/exit-code.ts'
import { type FullScreen, openFullScreen } from './line/full-screen.ts'
import { serverOptions } from './line/shared-options.ts'
import { shortAge } from './line/short-age.ts'
import { wholeNumber } from './line/wrong-arguments.ts'
import { openServer, type ServerConnection } from './reach/server-connection.ts'
import { totalsText } from './status.ts'
import { textTable } from './text-table.ts'

export const top = action({
  summary: 'Show pools and what needs attention on the whole terminal, as they change',
  about: 'q or Ctrl-C ends it. Where the output is no terminal, it is printed once.',
  options: {
    every: { type: 'string', value: 'SECONDS', default: '1', help: 'time between two looks' },
    ...serverOptions,
  },
  examples: [{ line: 'greenroom top', does: 'While something is rolled out' }],
  async run({ options }) {
    const everyMs = wholeNumber('--every', options.every, [1, 3_600]) * 1_000
    await using server = await openServer(options)
    // What cannot be asked at all is said before the screen is taken.
    let seen = await look(server)
    if (!process.stdout.isTTY) {
      process.stdout.write(`${frame(seen).join('\n')}\n`)
      return
    }
    using screen = openFullScreen()
    while (!screen.ended.aborted) {
      screen.draw(frame(seen))
      await pause(everyMs, screen.ended)
      seen = await lookAgain(server, seen, screen)
    }
  },
})

interface Seen {
  readonly status: StatusReport
  readonly pools: readonly PoolReport[]
  /** Why what is shown is old. */
  readonly trouble?: string
}

async function look(server: ServerConnection): Promise<Seen> {
  const [status, { pools }] = await Promise.all([
    server.ask<StatusReport>('/v1/status'),
    server.ask<PoolList>('/v1/pools'),
  ])
  return { status, pools }
}

/** The last view stays while the server is away. */
async function lookAgain(server: ServerConnection, before: Seen, { ended }: FullScreen): Promise<Seen> {
  if (ended.aborted) return before
  try {
    return await look(server)
  } catch (error) {
    if (!isRefusal(error)) throw error
    return { ...before, trouble: refusalText(error).trim() }
  }
}

/** The most important first: a small terminal cuts lines and columns at their ends. */
function frame({ status, pools, trouble }: Seen): string[] {
  const { at, state, totals, parts, problems } = status
  const unwell = parts.filter(({ state: one }) => one !== 'ok' && one !== 'off')
  return [
    `${state === 'ok' ? 'all is well' : 'ATTENTION'}, ${shortAge(at)} ago  ${totalsText(totals)}`,
    ...(trouble === undefined ? [] : [trouble]),
    ...unwell.map(({ part, state: one, detail }) => `${part} is ${one}: ${detail}`),
    ...problems.flatMap(({ subject, what, command }) => [`${subject}: ${what}`, `  ${command}`]),
    '',
    ...textTable([heading, ...pools.map(rowOf)]).split('\n'),
  ].map((line) => line.replaceAll(/\p{Cc}+/gu, ' '))
}

const heading = ['POOL', 'READY', 'CLAIMED', 'WAIT', 'HIT', 'WARM', 'TARGET', 'MAX', 'BOUND BY', 'PROBLEM']

function rowOf({
  agentType,
  ready,
  claimed,
  waiting,
  warming,
  hitRate,
  desired,
  sizing,
  ...pool
}: PoolReport) {
  const target = sizing?.target ?? desired.min
  const hit = hitRate === undefined ? '-' : `${(hitRate * 100).toFixed(1)}%`
  const counts = [ready, claimed, waiting].map(String)
  return [
    agentType,
    ...counts,
    hit,
    ...[warming, target, desired.max].map(String),
    pool.boundBy ?? '-',
    pool.problem?.cause ?? '-',
  ]
}
