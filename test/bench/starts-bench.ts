import { resolve } from 'node:path'
import { createAddressPool } from '../../bed/kubelet/address-pool.ts'
import { temporaryFolder } from '../../bed/processes/temporary-folder.ts'
import { root } from '../../bed/repository.ts'
import { assignTimesMs, createAgentStarts, type MeasuredStart, type StartCase } from './agent-starts.ts'
import type { Bench, BenchOptions } from './bench.ts'
import type { BenchResult } from './bench-report.ts'
import { type BenchRow, createLatencyRecorder } from './latency-recorder.ts'
import { startPoolFills } from './pool-fills.ts'

/** What the start of an agent costs, and so how many pods a machine makes in a second. */
export const bench: Bench = {
  summary:
    'agents as processes: until ready, their processor time and first assignment; a pool filled from nothing',
  options: {
    rounds: { type: 'string', default: '20' },
    /** Of the pool that is filled; 0 leaves it out. */
    pods: { type: 'string', default: '40' },
    fills: { type: 'string', default: '3' },
    /** Another checkout, whose agents take turns with these. */
    against: { type: 'string', default: '' },
  },
  run: runStartsBench,
}

export async function runStartsBench(
  options: BenchOptions,
  say: (line: string) => void,
): Promise<BenchResult> {
  const against = String(options.against)
  const checkouts = { agent: root, ...(against !== '' && { 'agent, before': resolve(against) }) }
  const starts = await measureStarts(checkouts, Number(options.rounds), say)
  const fills = Number(options.pods) > 0 ? await measureFills(checkouts, options, say) : {}
  return { ...starts, fills }
}

const bareServer = `require('node:http').createServer((request, response) => response.end())
  .listen(8080, process.env.GREENROOM_LISTEN_ADDRESS)`

function casesOf(checkouts: Readonly<Record<string, string>>, compileCache: string): readonly StartCase[] {
  const env = { NODE_COMPILE_CACHE: compileCache }
  const agents = Object.entries(checkouts).flatMap(([name, folder]): StartCase[] => [
    { name, folder, args: ['src/agent/echo-agent.ts'], env, isAgent: true },
    { name: `${name}, by main.ts`, folder, args: ['src/main.ts', 'agent', 'echo'], env, isAgent: true },
    {
      name: `${name}, agent-exec`,
      folder,
      args: ['src/main.ts', 'agent-exec', '--', 'sleep', '60'],
      env: { ...env, GREENROOM_EXEC_GRACE_SECONDS: '1' },
      isAgent: true,
    },
  ])
  return [{ name: 'bare HTTP server', folder: root, args: ['-e', bareServer], isAgent: false }, ...agents]
}

async function measureStarts(
  checkouts: Readonly<Record<string, string>>,
  rounds: number,
  say: (line: string) => void,
) {
  await using folder = await temporaryFolder('starts')
  const addresses = await createAddressPool()
  try {
    const start = await createAgentStarts(addresses)
    const cases = casesOf(checkouts, folder.path).map((one) => ({ one, ...createStartSums(one) }))
    // The first two compile the sources, and find them compiled.
    for (const { one } of [...cases, ...cases]) await start(one, 0)
    for (let round = 0; round < rounds; round += 1)
      for (const sums of round % 2 === 0 ? cases : cases.toReversed())
        for (const assignAfterMs of sums.one.isAgent ? assignTimesMs : assignTimesMs.slice(-1))
          sums.take(assignAfterMs, await start(sums.one, assignAfterMs))
    const medians = Object.fromEntries(cases.map((sums) => [sums.one.name, sums.medians()]))
    for (const [name, each] of Object.entries(medians)) say(`${name}: ${JSON.stringify(each)}`)
    return { rows: cases.flatMap((sums) => sums.rows()), medians }
  } finally {
    await addresses.close()
  }
}

function createStartSums({ name, isAgent }: StartCase) {
  const starts: MeasuredStart[] = []
  const ready = createLatencyRecorder()
  const assigned = assignTimesMs.map((afterMs) => ({ afterMs, recorder: createLatencyRecorder() }))
  const median = (valueOf: (start: MeasuredStart) => number | undefined) => {
    const values = starts.map(valueOf).filter((value) => value !== undefined)
    return Math.round((values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0) * 10) / 10
  }
  return {
    take(assignAfterMs: number, start: MeasuredStart): void {
      starts.push(start)
      ready.take(oneOf(start.readyMs))
      const { recorder } = assigned.find(({ afterMs }) => afterMs === assignAfterMs) ?? {}
      if (start.assignMs !== undefined) recorder?.take(oneOf(start.assignMs))
    },
    medians: () => ({
      readyMs: median(({ readyMs }) => readyMs),
      cpuReadyMs: median(({ cpuReadyMs }) => cpuReadyMs),
      cpuIdleMs: median(({ idle }) => idle?.cpuMs),
      residentMb: median(({ idle }) => idle?.residentMb),
      ownMb: median(({ idle }) => idle?.ownMb),
    }),
    rows: (): readonly BenchRow[] => [
      ready.row(`${name}: ready`, 1),
      ...(isAgent ? assigned : []).map(({ afterMs, recorder }) =>
        recorder.row(`${name}: assignment ${afterMs} ms after`, 1),
      ),
    ],
  }
}

const oneOf = (ms: number) => ({ latenciesUs: [ms * 1_000], errors: 0, durationMs: ms })

const oneDigit = (_key: string, value: unknown) =>
  typeof value === 'number' ? Math.round(value * 10) / 10 : value

async function measureFills(
  checkouts: Readonly<Record<string, string>>,
  { pods, fills }: BenchOptions,
  say: (line: string) => void,
) {
  const pool = await startPoolFills({ pods: Number(pods), say })
  try {
    // The first fill of a checkout compiles its sources, and tries the template with one pod.
    for (const folder of Object.values(checkouts)) await pool.fill(folder)
    const measured: Record<string, object[]> = {}
    for (let round = 0; round < Number(fills); round += 1)
      for (const [name, folder] of Object.entries(checkouts)) {
        const fill = await pool.fill(folder)
        ;(measured[name] ??= []).push(fill)
        say(`${name}: ${JSON.stringify(fill, oneDigit)}`)
      }
    return measured
  } finally {
    await pool.stop()
  }
}
