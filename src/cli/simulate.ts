import { writeFile } from 'node:fs/promises'
import { GreenroomError } from '../errors.ts'
import { action } from './line/command-spec.ts'
import { exitCode } from './line/exit-code.ts'
import { wrongArguments } from './line/wrong-arguments.ts'
import { replay } from './pools/replay-pool.ts'
import {
  bestFixedSize,
  bestForBudget,
  type ComparedLoad,
  type SizingOutcome,
  trySizing,
} from './simulate/compare-sizings.ts'
import { createTimelineRecorder, type DayTimeline } from './simulate/day-timeline.ts'
import { loadFacts } from './simulate/load-facts.ts'
import { outcomeRows } from './simulate/outcome-table.ts'
import { createProgressBar, type ProgressBar } from './simulate/progress-bar.ts'
import { readTrace, type Trace } from './simulate/read-trace.ts'
import { createSeededDraws } from './simulate/seeded-draws.ts'
import {
  readSimulateArguments,
  type SimulateArguments,
  type SimulateValues,
  simulateOptions,
} from './simulate/simulate-arguments.ts'
import { simulationPage } from './simulate/simulation-page.ts'
import { syntheticClaims } from './simulate/synthetic-load.ts'
import { textTable } from './text-table.ts'

export const simulate = action({
  summary: 'Play a pool with a trace of claims: hit rate, waits and cost of each sizing',
  about: `It plays the pool with the product's own sizing and prints what each sizing gives, beside the best fixed size in hindsight. It needs no cluster.
"simulate --replay FILE" and "simulate --replay --database [AGENT-TYPE]" do what "pools replay" does.`,
  arguments: [
    {
      name: 'FILE',
      help: 'of --replay: recorded decisions, or with --database an agent type',
      kind: 'file',
      optional: true,
    },
  ],
  options: {
    ...simulateOptions,
    replay: { type: 'boolean', help: 'make recorded decisions once more' },
    database: { type: 'boolean', help: 'of --replay: what PostgreSQL has recorded' },
  },
  exits: { 1: 'no goal fits the budget, or a replay came out differently' },
  examples: [
    {
      line: 'greenroom simulate --synthetic diurnal:0.02,0.6 --sizing hitRate:0.999',
      does: 'A day and a night',
    },
    {
      line: 'greenroom simulate --trace claims.csv --budget 500 --report plots.html',
      does: 'Your own claims',
    },
  ],
  async run({ words: [name], options }) {
    if (options.replay === true) return replay(name, options.database === true)
    if (name !== undefined || options.database === true)
      throw wrongArguments('FILE and --database belong to --replay.')
    return runSimulate(options)
  },
})

/** Prints the comparison on stdout and resolves with the exit code. */
async function runSimulate(values: SimulateValues): Promise<number> {
  const wanted = await orWrong(readSimulateArguments(values))
  const progress = createProgressBar(process.stderr, () => performance.now())
  const trace = await orWrong(readClaims(wanted, progress))
  const load: ComparedLoad = {
    ...trace,
    starts: wanted.starts,
    meanSessionSeconds: wanted.sessionSeconds,
    seed: wanted.seed,
    countedFrom: wanted.warmUpHours * 3_600,
    bounds: wanted.bounds,
    limits: wanted.limits,
    price: wanted.price,
  }
  if ((trace.claimTimes.at(-1) ?? 0) < load.countedFrom)
    throw new GreenroomError('GRN_INVALID_TRACE', 'The claims end within the hours of --warm-up-hours.')
  const days: DayTimeline[] = []
  const outcomes = compare(wanted, load, { progress, days })
  const facts = loadFacts(load, wanted, trace.assumptions, outcomes)
  await writeReport(wanted, load, { outcomes, facts, days, progress })
  progress.end()
  process.stdout.write(wanted.json ? inJson(wanted, facts, outcomes) : inWords(facts, outcomes))
  const missing = wanted.budget !== undefined && !outcomes.some(({ name }) => name.includes('(best for'))
  if (missing) process.stderr.write(`No hit rate from 50 % costs ${wanted.budget} a month or less.\n`)
  return missing ? exitCode.found : exitCode.done
}

/** @throws GreenroomError GRN_WRONG_ARGUMENTS with what is wrong */
async function orWrong<T>(reading: Promise<T>): Promise<T> {
  try {
    return await reading
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    throw wrongArguments(`${error.message}.`)
  }
}

async function readClaims(wanted: SimulateArguments, progress: ProgressBar): Promise<Trace> {
  const { source, seed, stretch } = wanted
  const draws = createSeededDraws(seed)
  if (source.kind === 'trace') {
    const onProgress = (share: number): void => progress.show(`reading ${source.file}`, share)
    return readTrace(source.file, { draws, stretch, now: Date.now(), onProgress })
  }
  if (source.kind === 'history') {
    const url = process.env.DATABASE_URL
    if (!url) throw new GreenroomError('GRN_INVALID_CONFIG', '--history needs DATABASE_URL.')
    const { readSessionHistory } = await import('./simulate/session-history.ts')
    return readSessionHistory(url, wanted.agentType)
  }
  const claimTimes = syntheticClaims(source.load, draws, wanted.days * 86_400)
  if (claimTimes.length === 0) throw new GreenroomError('GRN_INVALID_TRACE', `${source.load} makes no claim.`)
  // A Monday, so that the days of a week come in their order.
  return {
    claimTimes,
    epochMs: Date.UTC(2026, 0, 5),
    assumptions: [`Made up: ${source.load}, seed ${seed}.`],
  }
}

function compare(
  wanted: SimulateArguments,
  load: ComparedLoad,
  { progress, days }: { readonly progress: ProgressBar; readonly days: DayTimeline[] },
): SizingOutcome[] {
  const count = wanted.sizings.length + 1
  const end = load.claimTimes.at(-1) ?? 0
  const outcomes = wanted.sizings.map((sizing, index) => {
    const recorder = createTimelineRecorder(sizing.name, end)
    if (sizing.spec.fixed === undefined) days.push(recorder.timeline)
    return trySizing(load, sizing, (sample) => {
      recorder.take(sample)
      progress.show(sizing.name, (index + sample.seconds / Math.max(1, end)) / count)
    })
  })
  outcomes.push(bestFixedSize(load, wanted.goal))
  if (wanted.budget === undefined) return outcomes
  const found = bestForBudget(load, wanted.budget, (share) =>
    progress.show('finding the best hit rate', share),
  )
  return found ? [found, ...outcomes] : outcomes
}

interface Findings {
  readonly outcomes: readonly SizingOutcome[]
  readonly facts: readonly string[]
  readonly days: readonly DayTimeline[]
  readonly progress: ProgressBar
}

async function writeReport(
  { report, sizings }: SimulateArguments,
  load: ComparedLoad,
  { outcomes, facts, days, progress }: Findings,
): Promise<void> {
  if (report === undefined) return
  const largest = Math.max(...outcomes.map(({ name }) => Number(/^fixed:(\d+)/.exec(name)?.[1] ?? 1)))
  // Sixteen sizes up to a third above the best one draw a smooth line, which goes through the best one itself.
  const most = Math.ceil(largest * 1.33) + 1
  const spread = Array.from({ length: 16 }, (_, index) => Math.ceil(((index + 1) / 16) * most))
  const sizes = [...new Set([...spread, largest])].sort((a, b) => a - b)
  const curve = sizes.map((size, index) => {
    progress.show('the curve of fixed sizes', index / sizes.length)
    return trySizing(load, { name: `fixed:${size}`, spec: { mode: 'apply', fixed: size } })
  })
  const title = `What ${sizings.length > 0 ? sizings.map(({ name }) => name).join(', ') : 'a budget'} would give`
  const page = simulationPage({
    title,
    facts,
    outcomes,
    rows: outcomeRows(outcomes),
    curve,
    days,
    unit: `at ${load.price} a pod-hour`,
  })
  await writeFile(report, page).catch((error: Error) => {
    throw new GreenroomError('GRN_INVALID_CONFIG', `--report: ${error.message}`)
  })
}

function inWords(facts: readonly string[], outcomes: readonly SizingOutcome[]): string {
  return `${facts.join('\n')}\n\n${textTable(outcomeRows(outcomes))}\n`
}

function inJson(
  wanted: SimulateArguments,
  facts: readonly string[],
  outcomes: readonly SizingOutcome[],
): string {
  const { seed, price, startsText } = wanted
  return `${JSON.stringify({ seed, price, starts: startsText, facts, outcomes }, undefined, 2)}\n`
}
