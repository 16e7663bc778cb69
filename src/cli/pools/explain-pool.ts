import type { PoolReport } from '../../client/api-types.ts'
import type { PoolDecision } from '../../domain/pool-decision.ts'
import { explainTarget } from '../../domain/sizing/explain-target.ts'
import { GreenroomError } from '../../errors.ts'
import { bareName } from '../line/bare-name.ts'
import { action } from '../line/command-spec.ts'
import { type ServerValues, serverOptions } from '../line/shared-options.ts'
import { wholeNumber } from '../line/wrong-arguments.ts'
import { openServer } from '../reach/server-connection.ts'
import { textTable } from '../text-table.ts'

/** A replay can begin once in so many decisions; see stepsPerBase of the controller's log. */
const mostToBase = 1_000
const mostDecisions = 10_000

/** What `explain --json` prints. A replay reads `decisions`. */
export interface PoolExplanation {
  readonly agentType: string
  readonly mode: 'apply' | 'recommend' | undefined
  readonly decidedAt?: string
  readonly sentence: string
  /** Oldest first, from the latest at which a replay can begin; only from PostgreSQL. */
  readonly decisions: readonly PoolDecision[]
}

export const explainPool = action({
  summary: 'Show every number that the size of a pool was made from, and say it in one sentence',
  about:
    'It asks the session server for the newest decision. With --decisions, or where DATABASE_URL is set and no server is named, it reads PostgreSQL.',
  arguments: [{ name: 'AGENT-TYPE', help: 'the pool', kind: 'pool' }],
  options: {
    decisions: {
      type: 'string',
      value: 'N',
      help: 'the newest N decisions as well, each with what it was made from',
    },
    json: { type: 'boolean', help: 'as JSON; "pools replay" takes it as FILE' },
    ...serverOptions,
  },
  examples: [
    { line: 'greenroom pools explain echo-agent', does: 'Why it has as many idle pods as it has' },
    { line: 'greenroom pools explain echo-agent --decisions 20', does: 'And how that changed' },
  ],
  async run({ words: [text = ''], options }) {
    const agentType = bareName('pool', text)
    const { decisions, json } = options
    const count = decisions === undefined ? 0 : wholeNumber('--decisions', decisions, [0, mostDecisions])
    const isRecorded = decisions !== undefined || (await knowsDatabaseOnly(options))
    const explained = isRecorded ? await fromDatabase(agentType, count) : await fromServer(agentType, options)
    const { explanation, terms } = explained
    process.stdout.write(
      json === true ? `${JSON.stringify(explanation, undefined, 2)}\n` : inWords(explanation, terms, count),
    )
  },
})

type Terms = Readonly<Record<string, unknown>>

interface Explained {
  readonly explanation: PoolExplanation
  readonly terms: Terms
}

/** An operator beside the database, as in the image. */
async function knowsDatabaseOnly({ server, context, kubeconfig }: ServerValues): Promise<boolean> {
  if ((server ?? context ?? kubeconfig) !== undefined) return false
  const { loadConfig } = await import('../../config.ts')
  const { DATABASE_URL, GREENROOM_API_URL } = loadConfig('caller')
  return DATABASE_URL !== undefined && GREENROOM_API_URL === undefined
}

async function fromServer(agentType: string, options: ServerValues): Promise<Explained> {
  await using server = await openServer(options)
  const { sizing } = await server.ask<PoolReport>(`/v1/pools/${encodeURIComponent(agentType)}`)
  if (!sizing)
    throw new GreenroomError(
      'GRN_NOTHING_RECORDED',
      `The controller has not decided on pool "${agentType}" yet.`,
    )
  const { mode, sentence, terms } = sizing
  return { explanation: { agentType, mode, sentence, decisions: [] }, terms: { ...terms } }
}

/** The newest decision, the newest `count`, and those before from which a replay can begin. */
async function fromDatabase(agentType: string, count: number): Promise<Explained> {
  const { recordedDecisions } = await import('./recorded-decisions.ts')
  const found = await recordedDecisions(agentType, count + mostToBase)
  const newest = found.at(-1)
  if (!newest)
    throw new GreenroomError('GRN_NOTHING_RECORDED', `No decision of a pool "${agentType}" is recorded.`)
  const spec = found.findLast(({ base }) => base)?.base?.spec
  const wantedFrom = Math.max(0, found.length - Math.max(1, count))
  const from = found.findLastIndex(({ base }, index) => base !== undefined && index <= wantedFrom)
  return {
    explanation: {
      agentType,
      mode: spec?.mode,
      decidedAt: timeOf(newest),
      sentence: explainTarget(newest.terms),
      decisions: found.slice(Math.max(0, from)),
    },
    terms: { ...newest.terms },
  }
}

function inWords(
  { agentType, mode, decidedAt, sentence, decisions }: PoolExplanation,
  terms: Terms,
  count: number,
): string {
  const rows = Object.entries(terms).map(([name, value]) => [`  ${name}`, String(value)])
  const advice = mode === 'recommend' ? ' The mode is recommend: the pool keeps min.' : ''
  const at = decidedAt === undefined ? '' : ` at ${decidedAt}`
  const parts = [`${agentType}${at}: ${sentence}${advice}`, textTable(rows)]
  if (count > 0) parts.push(textTable([heading, ...decisions.slice(-count).map(rowOf)]))
  return `${parts.join('\n\n')}\n`
}

const heading = [
  'time',
  'arrived',
  'missed',
  'started',
  'claimed',
  'ready',
  'starting',
  'waiting',
  'target',
  'bound by',
]

function rowOf(decision: PoolDecision): string[] {
  const { arrivals, misses, starts, claimed, ready, starting, waiting } = decision.input
  const counts = [arrivals, misses, starts.length, claimed, ready, starting, waiting, decision.target]
  return [timeOf(decision), ...counts.map(String), decision.terms.boundBy ?? '']
}

function timeOf({ input: { now } }: PoolDecision): string {
  return new Date(now).toISOString()
}
