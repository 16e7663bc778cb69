import { mkdir, readFile } from 'node:fs/promises'
import { request } from 'node:https'
import { join, resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { root } from '../../bed/repository.ts'
import { type AdmissionBed, rssMbOf, startAdmissionBed } from './admission-bed.ts'
import { measureCreates } from './admission-creates.ts'
import { reviewText } from './admission-reviews.ts'
import type { Bench, BenchOptions } from './bench.ts'
import { startBenchProcess } from './bench-process.ts'
import type { BenchResult } from './bench-report.ts'
import { cpuMsOf, createCpuSums } from './cpu-meter.ts'
import { type BenchRow, createLatencyRecorder } from './latency-recorder.ts'
import { type LoadGenerator, type LoadTarget, startLoadGenerator } from './load-generator.ts'
import type { RouteCalls } from './route-program.ts'

/** Reviews over kept TLS connections, and beside them a bare route of fastify that parses and answers as many bytes. */
export const bench: Bench = {
  summary:
    'reviews of a 3 KB and an 8 KB pod beside a bare fastify route; pod creates with and without the webhook',
  options: {
    concurrency: { type: 'string', default: '1,8,32' },
    /** Requests of a round, warm-up included; at c=1 a fifth of them. */
    count: { type: 'string', default: '20000' },
    rounds: { type: 'string', default: '3' },
    creates: { type: 'string', default: '400' },
    /** Which pods. */
    sizes: { type: 'string', default: '3,8' },
    /** Instead of the cases: so many reviews at c=32, with the memory of the webhook over time. */
    reviews: { type: 'string', default: '0' },
    /** Folder for a CPU profile of the webhook in the last round of each case. */
    profile: { type: 'string', default: '' },
    /** Folder of another checkout, whose webhook is measured by turns with this one. */
    against: { type: 'string', default: '' },
    /** More arguments of node for the webhook, separated by blanks. */
    'webhook-node-args': { type: 'string', default: '' },
  },
  run: runAdmissionBench,
}

export async function runAdmissionBench(
  options: BenchOptions,
  say: (line: string) => void,
): Promise<BenchResult> {
  const profile = options.profile === '' ? undefined : resolve(String(options.profile))
  if (profile) await mkdir(profile, { recursive: true })
  const against = options.against === '' ? undefined : resolve(String(options.against))
  const bed = await startAdmissionBed({ nodeArgs: nodeArgs(options, profile), against })
  try {
    say(`up: ${JSON.stringify(memoryOf(bed))} MB`)
    const load = startLoadGenerator(join(bed.folder, 'load.log'))
    bed.onStop(() => load.stop())
    const measuring = { bed, load, options, profile, say }
    const reviews = Number(options.reviews)
    return reviews > 0 ? await soak(measuring, reviews) : await measure(measuring)
  } finally {
    await bed.stop()
  }
}

function nodeArgs(options: BenchOptions, profile: string | undefined): readonly string[] {
  const more = String(options['webhook-node-args'])
    .split(' ')
    .filter((arg) => arg !== '')
  if (profile === undefined) return more
  const program = pathToFileURL(join(root, 'test/bench/api-profile.ts'))
  program.searchParams.set('folder', profile)
  return [...more, '--import', program.href]
}

interface Measuring {
  readonly bed: AdmissionBed
  readonly load: LoadGenerator
  readonly options: BenchOptions
  readonly profile: string | undefined
  readonly say: (line: string) => void
}

/** A pod without managedFields; what a larger one has more is managedFields. */
const plainKilobytes = 3

async function measure(measuring: Measuring): Promise<BenchResult> {
  const { bed, options, say } = measuring
  const rows: BenchRow[] = []
  const cpuMsPerReview: Record<string, unknown> = {}
  const shareOfBare: Record<string, number> = {}
  for (const kilobytes of String(options.sizes).split(',').map(Number)) {
    const size = `${kilobytes} KB`
    const body = reviewText(kilobytes > plainKilobytes ? (kilobytes - plainKilobytes) * 1_000 : 0)
    const sides = await sidesOf(measuring, body, size)
    await warmUp(measuring, sides)
    for (const concurrency of String(options.concurrency).split(',').map(Number)) {
      const found = await byTurns(sides, concurrency, measuring)
      rows.push(...found.rows)
      Object.assign(cpuMsPerReview, found.cpuMs)
      const bare = found.rows.at(-1)?.perSecond ?? 1
      for (const row of found.rows.slice(0, -1))
        shareOfBare[row.case] = Math.round((row.perSecond / bare) * 1_000) / 1_000
    }
  }
  const rssMb = memoryOf(bed)
  say(`share of the bare route: ${JSON.stringify(shareOfBare)}; memory ${JSON.stringify(rssMb)} MB`)
  const creates =
    Number(options.creates) > 0 ? await measureCreates(bed, Number(options.creates), say) : undefined
  return {
    rows: [...rows, ...(creates?.rows ?? [])],
    shareOfBare,
    cpuMsPerReview,
    rssMb,
    ...(creates && { createDifferenceP50Ms: creates.differenceMs }),
  }
}

function memoryOf({ webhook, against }: AdmissionBed): Record<string, number> {
  return {
    webhook: rssMbOf(webhook.pid),
    ...(against && { against: rssMbOf(against.pid) }),
  }
}

/** One server under the same load as the others. */
interface Side {
  readonly name: string
  readonly target: LoadTarget
  readonly pid: number
}

/** The webhook, the one of another checkout if there is one, and last the bare route. */
async function sidesOf({ bed, say }: Measuring, body: string, size: string): Promise<readonly Side[]> {
  const { webhook, against } = bed
  const review = targetOf(bed, webhook.port, body)
  const answer = await answerTo(review)
  say(`${size}: a review of ${body.length} bytes, an answer of ${answer.length}`)
  const bare = await bareRoute(bed, review, answer)
  return [
    { name: `review ${size}`, target: review, pid: webhook.pid },
    ...(against
      ? [{ name: `against ${size}`, target: targetOf(bed, against.port, body), pid: against.pid }]
      : []),
    { name: `bare route ${size}`, ...bare },
  ]
}

function targetOf({ plane, ca }: AdmissionBed, port: number, body: string): LoadTarget {
  const { host } = plane.webhook
  // As the API server asks: its deadline is in the query.
  const path = '/mutate?timeout=2s'
  return { host, port, method: 'POST', path, headers: {}, body, wanted: 200, tls: { ca } }
}

/** One review, looked at: what is measured must be a patch. */
async function answerTo({ host, port, path, body, tls }: LoadTarget): Promise<string> {
  const { promise, resolve: settle, reject } = Promise.withResolvers<string>()
  const headers = { 'content-type': 'application/json' }
  const asked = request(
    { host, port, path, method: 'POST', headers, ca: tls?.ca, agent: false },
    (answer) => {
      text(answer).then(settle, reject)
    },
  )
  asked.on('error', reject)
  asked.end(body)
  const answer = await promise
  if (!answer.includes('"patchType":"JSONPatch"')) throw new Error(`no patch in ${answer.slice(0, 500)}`)
  return answer
}

async function bareRoute(bed: AdmissionBed, target: LoadTarget, answer: string) {
  const program = fileURLToPath(new URL('./route-program.ts', import.meta.url))
  const route = startBenchProcess<RouteCalls>({ program, logPath: join(bed.folder, 'route.log') })
  bed.onStop(() => route.stop())
  const { certPath, keyPath } = bed.plane.webhook
  const [cert, key] = await Promise.all([readFile(certPath, 'utf8'), readFile(keyPath, 'utf8')])
  const port = await route.call('listenTls', { answer: JSON.parse(answer), cert, key })
  return { target: { ...target, port, path: '/mutate' }, pid: route.pid }
}

/** Thrown away: the engine has compiled the code of every side then. */
async function warmUp({ load }: Measuring, sides: readonly Side[]): Promise<void> {
  const loop = { kind: 'closed', concurrency: 8 } as const
  for (const { target } of sides) await load.call('run', { target, loop, count: 5_000, warmUp: 0 })
}

/** Rounds by turns, so that whatever else the machine does meets every side. */
async function byTurns(
  sides: readonly Side[],
  concurrency: number,
  { bed, load, options, profile, say }: Measuring,
) {
  const rounds = Number(options.rounds)
  const count = Math.ceil(Number(options.count) / (concurrency === 1 ? 5 : 1))
  const warmUpCount = Math.floor(count / 10)
  const measured = sides.map((side) => ({
    ...side,
    name: `${side.name}, c=${concurrency}`,
    recorder: createLatencyRecorder(),
    cpu: createCpuSums(),
  }))
  for (let round = 1; round <= rounds; round += 1) {
    for (const { name, target, pid, recorder, cpu } of measured) {
      const profiled = profile !== undefined && pid === bed.webhook.pid && round === rounds
      if (profiled) process.kill(pid, 'SIGUSR2')
      const usage = () => cpuMsOf({ server: pid, load: load.pid })
      const before = usage()
      const loop = { kind: 'closed', concurrency } as const
      const result = await load.call('run', { target, loop, count, warmUp: warmUpCount })
      if (profiled) process.kill(pid, 'SIGUSR2')
      cpu.add(before, usage())
      recorder.take(result)
      if (result.errors > 0) say(`${name}: ${JSON.stringify(result.statuses)}`)
    }
  }
  const rows = measured.map(({ name, recorder }) => recorder.row(name, concurrency))
  const cpuMs = Object.fromEntries(measured.map(({ name, cpu }) => [name, cpu.each(rounds * count)]))
  for (const row of rows)
    say(
      `${row.case}: ${row.perSecond}/s, p50 ${row.p50Ms} ms, p99 ${row.p99Ms} ms; CPU ms each ${JSON.stringify(cpuMs[row.case])}`,
    )
  return { rows, cpuMs }
}

/** Of a soak: a look at the memory after each. */
const soakStep = 20_000

async function soak({ bed, load, say }: Measuring, reviews: number): Promise<BenchResult> {
  const target = targetOf(bed, bed.webhook.port, reviewText(0))
  await answerTo(target)
  const recorder = createLatencyRecorder()
  const rssMbOverTime: { readonly reviews: number; readonly rssMb: number }[] = []
  const look = (done: number) => {
    rssMbOverTime.push({ reviews: done, rssMb: rssMbOf(bed.webhook.pid) })
  }
  look(0)
  for (let done = 0; done < reviews; ) {
    const count = Math.min(soakStep, reviews - done)
    const loop = { kind: 'closed', concurrency: 32 } as const
    recorder.take(await load.call('run', { target, loop, count, warmUp: 0 }))
    done += count
    look(done)
    if (done % (soakStep * 5) === 0) say(`${done} reviews, ${rssMbOverTime.at(-1)?.rssMb} MB`)
  }
  return { rows: [recorder.row(`${reviews} reviews 3 KB`, 32)], rssMbOverTime }
}
