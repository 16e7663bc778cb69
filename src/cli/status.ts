import type { StatusPart, StatusReport } from '../domain/status-report.ts'
import { action } from './line/command-spec.ts'
import { exitCode } from './line/exit-code.ts'
import type { View } from './line/print-view.ts'
import { formOptions, serverOptions, watchOptions } from './line/shared-options.ts'
import { shortAge } from './line/short-age.ts'
import { showView } from './line/show-view.ts'
import { type Tone, toned } from './line/view-table.ts'
import { openServer } from './reach/server-connection.ts'

export const status = action({
  summary: 'Say whether everything is well, what is not, and what to type',
  about:
    'A part that could not be asked is unknown. A key that is bound to a project sees states alone, and no problems.',
  options: { ...formOptions, ...watchOptions, ...serverOptions },
  exits: { 0: 'everything is well', 1: 'something needs attention' },
  examples: [
    { line: 'greenroom status', does: 'What needs attention' },
    { line: `greenroom status -o jsonpath='{.problems[*].command}'`, does: 'What to type about it' },
  ],
  async run({ options }) {
    await using server = await openServer(options)
    let newest: StatusReport | undefined
    await showView(options, async () => {
      newest = await server.ask<StatusReport>('/v1/status')
      return statusView(newest)
    })
    return newest?.state === 'ok' ? exitCode.done : exitCode.found
  },
})

const tones: Readonly<Record<StatusPart['state'], Tone>> = {
  ok: 'good',
  degraded: 'doubtful',
  down: 'bad',
  unknown: 'doubtful',
  off: 'quiet',
}

function statusView(report: StatusReport): View<StatusPart> {
  const { parts, problems } = report
  return {
    document: report,
    rows: parts,
    nameOf: ({ part }) => `part/${part}`,
    before: headOf(report),
    columns: [
      { title: 'PART', of: ({ part }) => part },
      { title: 'STATE', of: ({ state }) => state, tone: ({ state }) => tones[state] },
      { title: 'FOR', of: ({ since }) => shortAge(since), moves: true },
      { title: 'DETAIL', of: ({ detail }) => detail },
      { title: 'LEADER', of: ({ leader }) => leader ?? '-', wide: true },
      { title: 'SEEN', of: ({ generation }) => generation?.seen ?? '-', wide: true },
      { title: 'APPLIED', of: ({ generation }) => generation?.applied ?? '-', wide: true },
    ],
    ...(problems.length > 0 && { after: `\n${problems.map(problemText).join('\n\n')}` }),
  }
}

function headOf({ state, totals, problems }: StatusReport): string {
  const word = state === 'ok' ? 'Everything is well' : 'Something needs attention'
  return `${toned(word, state === 'ok' ? 'good' : 'bad')}${problems.length > 0 ? ` (${problems.length})` : ''}: ${totalsText(totals)}`
}

/** What could not be counted is left out. */
export function totalsText(totals: StatusReport['totals']): string {
  return Object.entries(totals)
    .filter(([, count]) => count !== undefined)
    .map(([name, count]) => `${count} ${name}`)
    .join(', ')
}

function problemText({
  code,
  subject,
  what,
  cause,
  command,
  since,
}: StatusReport['problems'][number]): string {
  const age = since === undefined ? '' : ` (for ${shortAge(since)})`
  return `${toned(subject, 'bad')}: ${what} ${code}${age}\n  ${cause}\n  ${command}`
}
