import { writeFile } from 'node:fs/promises'
import { GreenroomError } from '../errors.ts'
import type { CommandProgram } from './command.ts'
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
import { readSimulateArguments, type SimulateArguments } from './simulate/simulate-arguments.ts'
import { simulationPage } from './simulate/simulation-page.ts'
import { syntheticClaims, syntheticLoads } from './simulate/synthetic-load.ts'
import { textTable } from './text-table.ts'

const loads = Object.entries(syntheticLoads).map(
  ([name, { numbers, meaning }]) =>
    `                         ${`${name}:${numbers.join(',')}`.padEnd(22)} ${meaning}`,
)

const usage = `Usage: greenroom simulate --trace FILE | --synthetic LOAD | --history [OPTIONS]
Plays a pool with the product's own sizing and prints what each sizing gives: hit rate, waits, idle pods and their cost,
beside the best fixed size in hindsight. It needs no cluster.
simulate --replay FILE or --replay --database [AGENT-TYPE] makes recorded decisions once more, as "pools replay" does.
Claims:
--trace FILE             CSV with a time a row, or a time and a count (epoch or ISO 8601)
--synthetic LOAD         claims that are made up:
${loads.join('\n')}
--history                the sessions in PostgreSQL (DATABASE_URL); --type NAME takes those of one agent type
--days N                 of a synthetic load (default: 7)
--stretch FACTOR         time of a trace goes so many times slower (default: 1)
--warm-up-hours N        are played and not counted (default: 0)
Pool:
--sizing RULE            fixed:7, buffer:3, buffer:20%, hitRate:0.999 or hitRate:0.999,maxIdle=30; may be repeated
--pools FILE --type NAME the pool of this pools.yaml: its sizing, min and max
--starts TIMES           lognormal:MEDIAN,P99 or constant:SECONDS, or a file of seconds (default: lognormal:6,40)
--session-seconds N      mean length of a session (default: 600)
--min N, --max N         bounds of the pool
--start-slots N          pods that can start at once; --creates-per-second N
Answer:
--goal SHARE             hit rate for which the best fixed size is looked up (default: 0.999)
--price MONEY            of one pod for one hour (default: 0.05)
--budget MONEY           a month for idle pods: finds the best hit rate for it
--json                   the outcome as JSON; --report FILE writes a page with plots
--seed N                 of all random numbers (default: 1)
Exit code: 0 it was simulated; 1 no goal fits the budget, or a replay came out differently; 2 the arguments or the trace are wrong.`

export const simulate: CommandProgram = { usage, run: runSimulate }

/** The command: prints the comparison on stdout and resolves with the exit code. */
async function runSimulate(argv: readonly string[]): Promise<number> {
  const [first, ...rest] = argv
  if (first === '--replay') return (await import('./pools.ts')).replay(rest)
  const wanted = await readArguments(argv)
  const progress = createProgressBar(process.stderr, () => performance.now())
  const trace = await readClaims(wanted, progress)
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
  return missing ? 1 : 0
}

/** @throws GreenroomError GRN_INVALID_CONFIG with the usage */
async function readArguments(argv: readonly string[]): Promise<SimulateArguments> {
  try {
    return await readSimulateArguments(argv)
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    throw new GreenroomError('GRN_INVALID_CONFIG', `${error.message}\n\n${usage}\n`)
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
