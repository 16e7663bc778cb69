import { action } from '../line/command-spec.ts'
import { wrongArguments } from '../line/wrong-arguments.ts'

export const replayPool = action({
  summary: 'Make recorded decisions on the size once more, and name the first that comes out differently',
  about: 'Decisions come from a file that "pools explain --json" wrote, or from PostgreSQL (DATABASE_URL).',
  arguments: [
    {
      name: 'FILE',
      help: 'the file; with --database an agent type, or nothing for all',
      kind: 'file',
      optional: true,
    },
  ],
  options: { database: { type: 'boolean', help: 'what PostgreSQL has recorded' } },
  exits: { 1: 'a decision came out differently' },
  examples: [
    {
      line: 'greenroom pools explain echo-agent --decisions 500 --json > last-night.json',
      does: 'Keep what was decided',
    },
    { line: 'greenroom pools replay last-night.json', does: 'Decide it once more' },
  ],
  run: ({ words: [name], options }) => replay(name, options.database === true),
})

/** What `pools replay` and `simulate --replay` do; resolves with the exit code. */
export async function replay(name: string | undefined, isDatabase: boolean): Promise<number> {
  if (!isDatabase && name === undefined) throw wrongArguments('Give the FILE of decisions, or --database.')
  const { replayReport } = await import('../replay-decisions.ts')
  if (!isDatabase) return replayReport({ file: name ?? '' })
  const { recordedDecisions } = await import('./recorded-decisions.ts')
  return replayReport({ decisions: await recordedDecisions(name) })
}
