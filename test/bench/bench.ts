import { writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { type BenchResult, reportOf, tableOf } from './bench-report.ts'
import { UsageError } from './usage-error.ts'

/** `npm run bench -- NAME [options] [--report FILE]`; without a name it lists what there is. */

/** What a bench module exports as `bench`. */
export interface Bench {
  readonly summary: string
  /** Its own options, as node:util's parseArgs takes them. */
  readonly options: Readonly<Record<string, BenchOption>>
  run(options: BenchOptions, say: (line: string) => void): Promise<BenchResult>
}
type BenchOption =
  | { readonly type: 'string'; readonly default: string }
  | { readonly type: 'boolean'; readonly default: boolean }
export type BenchOptions = Readonly<Record<string, string | boolean>>

const benches: Readonly<Record<string, () => Promise<{ bench: Bench }>>> = {
  claims: () => import('./claims-bench.ts'),
  admission: () => import('./admission-bench.ts'),
  starts: () => import('./starts-bench.ts'),
  refill: () => import('./refill-bench.ts'),
  burst: () => import('./burst-bench.ts'),
  growth: () => import('./growth-bench.ts'),
  scale: () => import('./scale-bench.ts'),
  rooms: () => import('./rooms-bench.ts'),
  events: () => import('./events-bench.ts'),
  tracing: () => import('./tracing-bench.ts'),
  renewals: () => import('./renewals-bench.ts'),
  sizing: () => import('./sizing-bench.ts'),
  batch: () => import('./batch-bench.ts'),
  'cli-start': () => import('./cli-start-bench.ts'),
  dashboard: () => import('./dashboard-bench.ts'),
  peers: () => import('./peers-bench.ts'),
  memory: () => import('./memory-bench.ts'),
  rows: () => import('./rows-bench.ts'),
}

async function list(): Promise<void> {
  console.log('usage: npm run bench -- NAME [options] [--report FILE]\n')
  for (const [name, load] of Object.entries(benches)) {
    const { bench } = await load()
    console.log(`${name.padEnd(10)}${bench.summary}`)
    for (const [option, { default: fallback }] of Object.entries(bench.options))
      console.log(`${' '.repeat(12)}--${option} (${String(fallback)})`)
  }
}

async function run(name: string, args: readonly string[]): Promise<void> {
  const load = Object.hasOwn(benches, name) ? benches[name] : undefined
  if (!load) throw new UsageError(`there is no bench "${name}": ${Object.keys(benches).join(', ')}`)
  const { bench } = await load()
  const { report: path, ...options } = readOptions(bench, args)
  const began = performance.now()
  const say = (line: string) =>
    console.log(`${((performance.now() - began) / 1_000).toFixed(1).padStart(6)} s  ${line}`)
  const result = await bench.run(options, say)
  if (result.rows.length > 0) console.log(`\n${tableOf(result.rows)}\n`)
  if (result.below) console.log(`${result.below.join('\n')}\n`)
  if (typeof path === 'string' && path !== '')
    await writeFile(path, `${JSON.stringify(reportOf(name, options, result), null, 2)}\n`)
}

function readOptions({ options }: Bench, args: readonly string[]): BenchOptions {
  const report = { type: 'string', default: '' } as const
  try {
    const { values } = parseArgs({ args: [...args], options: { ...options, report }, strict: true })
    return values as BenchOptions
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}

try {
  const [name, ...args] = process.argv.slice(2)
  await (name === undefined ? list() : run(name, args))
} catch (error) {
  console.error(error instanceof UsageError ? error.message : error)
  process.exitCode = error instanceof UsageError ? 2 : 1
}
