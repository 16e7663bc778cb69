import pg from 'pg'
import { root } from '../../bed/repository.ts'
import type { Bench, BenchOptions } from './bench.ts'
import { startStoreBed } from './bench-bed.ts'
import type { BenchResult } from './bench-report.ts'
import { type BenchRow, createLatencyRecorder } from './latency-recorder.ts'
import type { Measured } from './load-loop.ts'
import { runChurn } from './rows-churn.ts'
import { fillRows, type RowsAmounts } from './rows-fill.ts'
import { rowsOperations } from './rows-operations.ts'
import { connectVersion, migrateWith } from './rows-version.ts'

/** Whether PostgreSQL's half grows with what is over: each statement on a small and on a large database, by turns. */
export const bench: Bench = {
  summary:
    'statements beside a million ended sessions and beside a hundredth of them, by turns; the tables after days of purges',
  options: {
    ended: { type: 'string', default: '1000000' },
    live: { type: 'string', default: '100000' },
    /** Of pools, each with as many pods; half of them serve a session. */
    pools: { type: 'string', default: '20' },
    pods: { type: 'string', default: '10000' },
    rounds: { type: 'string', default: '4' },
    calls: { type: 'string', default: '100' },
    /** Beginnings of the operations to measure, such as `open,activate`; empty: all. */
    only: { type: 'string', default: '' },
    /** Days of which the tables are watched, with 10,000 sessions each; 0: none. */
    churn: { type: 'string', default: '5' },
    /** A checkout of another version, measured beside this one. */
    against: { type: 'string', default: '' },
    /** URL of a PostgreSQL whose databases of an earlier run are used as they are; without it a server is started for the run. */
    server: { type: 'string', default: '' },
  },
  run: runRowsBench,
}

interface Server {
  readonly adminUrl: string
  stop(): Promise<void>
}

interface Side {
  readonly name: string
  readonly folder: string
  readonly database: string
}

async function runRowsBench(options: BenchOptions, say: (line: string) => void): Promise<BenchResult> {
  const server = await startServer(String(options.server), say)
  const against = String(options.against)
  const folders = against === '' ? { '': root } : { ', before': against, '': root }
  const sides = Object.entries(folders).flatMap(([version, folder]) =>
    (['small', 'large'] as const).map((size) => ({
      name: `${size}${version}`,
      folder,
      database: `rows_${size}${version === '' ? '' : '_before'}`,
    })),
  )
  try {
    const migration = await provide(server, { sides, against, options, say })
    const rows = await measure(server, sides, options)
    const days = Number(options.churn)
    const churn: Record<string, unknown> = {}
    for (const [version, folder] of days > 0 ? Object.entries(folders) : [])
      churn[version === '' ? 'now' : 'before'] = await runChurn({
        adminUrl: server.adminUrl,
        folder,
        days,
        say,
      })
    return { rows, ratios: ratiosOf(rows), migration, churn }
  } finally {
    await server.stop()
  }
}

async function startServer(url: string, say: (line: string) => void): Promise<Server> {
  if (url !== '') return { adminUrl: url, stop: async () => undefined }
  const bed = await startStoreBed({ say })
  return { adminUrl: bed.postgres.adminUrl, stop: () => bed.stop() }
}

interface Provision {
  readonly sides: readonly Side[]
  readonly against: string
  readonly options: BenchOptions
  readonly say: (line: string) => void
}

/**
 * Makes the databases that are not there. With another version, its large database is filled first, copied, and the copy
 * migrated to this version: resolves with how long that took, ms.
 */
async function provide(server: Server, { sides, against, options, say }: Provision): Promise<object> {
  const admin = new pg.Client({ connectionString: server.adminUrl })
  await admin.connect()
  const migration: Record<string, number> = {}
  try {
    const { rows } = await admin.query<{ datname: string }>('SELECT datname FROM pg_database')
    const present = new Set(rows.map(({ datname }) => datname))
    for (const { name, folder, database } of sides.filter((side) => !present.has(side.database))) {
      const copied = against !== '' && folder === root
      await admin.query(`CREATE DATABASE ${database} ${copied ? `TEMPLATE ${database}_before` : ''}`)
      const begun = performance.now()
      await migrateWith(folder, urlOf(server, database))
      if (copied) migration[name] = Math.round(performance.now() - begun)
      else await fillRows(urlOf(server, database), amountsOf(options, name.startsWith('small') ? 100 : 1))
      say(`${database} is filled${copied ? ` and was migrated in ${migration[name]} ms` : ''}`)
    }
    return migration
  } finally {
    await admin.end()
  }
}

function amountsOf(options: BenchOptions, divisor: number): RowsAmounts {
  return {
    ended: Math.round(Number(options.ended) / divisor),
    live: Math.round(Number(options.live) / divisor),
    days: 7,
    pools: Number(options.pools),
    projects: 50,
  }
}

function urlOf({ adminUrl }: Server, database: string): string {
  const url = new URL(adminUrl)
  url.pathname = `/${database}`
  return url.href
}

async function measure(
  server: Server,
  sides: readonly Side[],
  options: BenchOptions,
): Promise<readonly BenchRow[]> {
  const versions = await Promise.all(
    sides.map(async (side) => {
      const version = await connectVersion(side.folder, urlOf(server, side.database))
      return { ...side, version, operations: await rowsOperations(version, Number(options.pods)) }
    }),
  )
  const only = String(options.only).split(',')
  const names = Object.keys(versions[0]?.operations ?? {}).filter((name) =>
    only.some((beginning) => name.startsWith(beginning)),
  )
  const recorders = new Map<string, ReturnType<typeof createLatencyRecorder>>()
  const calls = Number(options.calls)
  try {
    // The first round compiles code and warms the caches of the server.
    for (let round = 0; round <= Number(options.rounds); round += 1) {
      for (const name of names) {
        for (const side of round % 2 === 0 ? versions : versions.toReversed()) {
          const { run, calls: most = calls } = side.operations[name] ?? { run: async () => {} }
          const measured = await takeTurn(run, most)
          const key = `${name}, ${side.name}`
          const recorder = recorders.get(key) ?? createLatencyRecorder()
          recorders.set(key, recorder)
          if (round > 0) recorder.take(measured)
        }
      }
    }
  } finally {
    await Promise.all(versions.map(({ version }) => version.close()))
  }
  return [...recorders].map(([name, recorder]) => recorder.row(name, 1))
}

/** One after the other, as many as asked, or until the turn is over: what is not answered in time takes a second each. */
async function takeTurn(run: () => Promise<unknown>, most: number): Promise<Measured> {
  const latenciesUs: number[] = []
  const turnBegun = performance.now()
  let errors = 0
  for (let call = 0; call < most && performance.now() - turnBegun < longestTurnMs; call += 1) {
    const begun = performance.now()
    const isAnswered = await run().then(
      () => true,
      () => false,
    )
    if (isAnswered) latenciesUs.push((performance.now() - begun) * 1_000)
    else errors += 1
  }
  return { latenciesUs, errors, durationMs: performance.now() - turnBegun }
}

const longestTurnMs = 1_000

type Ratio = { readonly p50: number; readonly p99: number } | 'not answered in time'

/** Large as a multiple of small, p50 and p99, of each operation and version. */
function ratiosOf(rows: readonly BenchRow[]): Record<string, Ratio> {
  const round = (ratio: number) => Math.round(ratio * 100) / 100
  const ratio = (large: BenchRow): [string, Ratio] => {
    const small = rows.find((row) => row.case === large.case.replace(', large', ', small'))
    if (!small || small.count === 0 || large.errors > 0) return [large.case, 'not answered in time']
    return [large.case, { p50: round(large.p50Ms / small.p50Ms), p99: round(large.p99Ms / small.p99Ms) }]
  }
  return Object.fromEntries(rows.filter((row) => row.case.includes(', large')).map(ratio))
}
