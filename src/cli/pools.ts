import { parseArgs } from 'node:util'
import { loadConfig } from '../config.ts'
import type { PoolDecision } from '../domain/pool-decision.ts'
import { explainTarget } from '../domain/sizing/explain-target.ts'
import type { SizingLedger } from '../domain/sizing-ports.ts'
import { GreenroomError } from '../errors.ts'
import { createLogger } from '../logging.ts'
import { createPostgres } from '../stores/postgres-client.ts'
import { createPostgresPoolSizing } from '../stores/postgres-pool-sizing.ts'
import type { CommandProgram } from './command.ts'
import { replayReport } from './replay-decisions.ts'
import { textTable } from './text-table.ts'

const usage = `usage: pools explain AGENT-TYPE [--decisions N] [--json] | pools replay (FILE | --database [AGENT-TYPE])
explain        every number that the size of the pool was made from, and one sentence; reads PostgreSQL (DATABASE_URL)
--decisions N  the newest N decisions as well, each with what it was made from
--json         as JSON; a replay takes it as FILE
replay         makes recorded decisions once more, of a file or of PostgreSQL, and names the first that comes out differently
Exit code: 0 all is well; 1 a decision came out differently; 2 nothing is recorded of this pool, PostgreSQL or the file
could not be read, or the arguments are wrong.`

const notDoneCode = 2
/** A replay can begin once in so many decisions; see stepsPerBase of the controller's log. */
const mostToBase = 1_000
const mostDecisions = 10_000

export const pools: CommandProgram = { usage, run: runPools }

/** What `explain --json` prints. A replay reads `decisions`. */
export interface PoolExplanation {
  readonly agentType: string
  readonly mode: 'apply' | 'recommend' | undefined
  readonly decidedAt: string
  readonly sentence: string
  /** Oldest first, from the latest at which a replay can begin. */
  readonly decisions: readonly PoolDecision[]
}

async function runPools(argv: readonly string[]): Promise<number> {
  try {
    const [what, ...args] = argv
    if (what === 'explain') return await runExplain(args)
    if (what === 'replay') return await replay(args)
    throw wrong(what === undefined ? 'explain or replay?' : `there is no "pools ${what}"`)
  } catch (error) {
    if (!(error instanceof GreenroomError)) throw error
    process.stderr.write(`${error.code}: ${error.message} ${error.remedy}\n`)
    return notDoneCode
  }
}

async function runExplain(argv: readonly string[]): Promise<number> {
  const { agentType, count, json } = explainArguments(argv)
  const found = await withLedger((ledger) => ledger.decisions(agentType, count + mostToBase))
  const explanation = explain(agentType, found, count)
  if (!explanation) throw wrong(`no decision of a pool "${agentType}" is recorded`)
  process.stdout.write(json ? `${JSON.stringify(explanation, undefined, 2)}\n` : inWords(explanation, count))
  return 0
}

/** Decisions on the newest `count`, and those before from which a replay can begin. */
function explain(
  agentType: string,
  found: readonly PoolDecision[],
  count: number,
): PoolExplanation | undefined {
  const newest = found.at(-1)
  if (!newest) return undefined
  const spec = found.findLast(({ base }) => base)?.base?.spec
  const wantedFrom = Math.max(0, found.length - Math.max(1, count))
  const from = found.findLastIndex(({ base }, index) => base !== undefined && index <= wantedFrom)
  return {
    agentType,
    mode: spec?.mode,
    decidedAt: timeOf(newest),
    sentence: explainTarget(newest.terms),
    decisions: found.slice(Math.max(0, from)),
  }
}

function inWords(
  { agentType, mode, decidedAt, sentence, decisions }: PoolExplanation,
  count: number,
): string {
  const newest = decisions.at(-1)
  const terms = Object.entries(newest?.terms ?? {}).map(([name, value]) => [`  ${name}`, String(value)])
  const advice = mode === 'recommend' ? ' The mode is recommend: the pool keeps min.' : ''
  const parts = [`${agentType} at ${decidedAt}: ${sentence}${advice}`, textTable(terms)]
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

/** The arguments behind `pools replay` and `simulate --replay`; resolves with the exit code. */
export async function replay(argv: readonly string[]): Promise<number> {
  const { values, positionals } = parsed(argv, { database: { type: 'boolean', default: false } })
  const [name, ...rest] = positionals
  if (rest.length > 0) throw wrong('replay takes one name')
  if (!values.database && name === undefined) throw wrong('replay FILE or --database?')
  return values.database ? await replayDatabase(name) : await replayReport({ file: name ?? '' })
}

/** Replays what PostgreSQL has recorded of one pool, or of all. */
async function replayDatabase(agentType?: string): Promise<number> {
  const decisions = await withLedger(async (ledger) => {
    const types = agentType === undefined ? await ledger.pools() : [agentType]
    const found: PoolDecision[] = []
    for (const type of types) found.push(...(await ledger.decisions(type, mostDecisions)))
    return found
  })
  return replayReport({ decisions })
}

async function withLedger<T>(work: (ledger: SizingLedger) => Promise<T>): Promise<T> {
  const config = loadConfig('pools')
  const logger = createLogger({ level: 'silent', role: 'pools', instance: config.HOSTNAME })
  const postgres = createPostgres(config.DATABASE_URL, logger, 1)
  try {
    return await work(createPostgresPoolSizing(postgres))
  } finally {
    await postgres.close()
  }
}

function explainArguments(argv: readonly string[]): { agentType: string; count: number; json: boolean } {
  const { values, positionals } = parsed(argv, {
    decisions: { type: 'string', default: '0' },
    json: { type: 'boolean', default: false },
  })
  const [agentType, ...rest] = positionals
  if (agentType === undefined || rest.length > 0) throw wrong('explain takes one agent type')
  const count = Number(values.decisions)
  if (!Number.isInteger(count) || count < 0 || count > mostDecisions)
    throw wrong(`--decisions: expected a number from 0 to ${mostDecisions}`)
  return { agentType, count, json: values.json === true }
}

type Options = Readonly<Record<string, { type: 'string' | 'boolean'; default: string | boolean }>>

function parsed(argv: readonly string[], options: Options) {
  try {
    return parseArgs({ args: [...argv], options, allowPositionals: true })
  } catch (error) {
    throw wrong(error instanceof Error ? error.message : String(error))
  }
}

function wrong(problem: string): GreenroomError {
  return new GreenroomError('GRN_INVALID_CONFIG', `${problem}\n${usage}`)
}
