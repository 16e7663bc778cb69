import { levelPaces } from '../../bed/processes/process-pace.ts'
import type { Bench, BenchOptions } from './bench.ts'
import type { BenchResult } from './bench-report.ts'
import { type BenchRow, createLatencyRecorder } from './latency-recorder.ts'
import type { LoadSpec } from './load-generator.ts'
import type { Measured } from './load-loop.ts'
import { ratiosOfPeers, ratioTable } from './peer-ratios.ts'
import { type RefilledBed, startRefilledBed } from './refilled-bed.ts'
import { type SandboxBed, startSandboxBed } from './sandbox-bed.ts'
import { readSandboxKinds } from './sandbox-kinds.ts'
import { UsageError } from './usage-error.ts'

/** Greenroom beside kubernetes-sigs/agent-sandbox: the same loads by turns, each on a real API server of its own. */
export const bench: Bench = {
  summary:
    'the same loads by turns for Greenroom and for an agent-sandbox controller that you have built (--agent-sandbox PROGRAM --crds FOLDER)',
  options: {
    /** The controller's program, of kubernetes-sigs/agent-sandbox. */
    'agent-sandbox': { type: 'string', default: '' },
    /** Folder with its CRDs, of a version since 0.3; the stored version of each is used. */
    crds: { type: 'string', default: '' },
    /** Flags of the controller, separated by blanks. Those that its --help does not have are left out. */
    flags: {
      type: 'string',
      default:
        '--api-connections=4 --separate-watch-connection --disable-claim-events --disable-claim-observability-annotations',
    },
    pool: { type: 'string', default: '60' },
    concurrency: { type: 'string', default: '8,20' },
    /** Claims a second of the open loop, and its length; 0 seconds leave it out. */
    rate: { type: 'string', default: '8' },
    seconds: { type: 'string', default: '20' },
    rounds: { type: 'string', default: '2' },
    /** Opens of Greenroom that are thrown away: V8 compiles its code while it runs. */
    'warm-up': { type: 'string', default: '2000' },
    /** Pods a second that each side makes at most, by its own setting; 0: as fast as each does without one. */
    'refill-rate': { type: 'string', default: '0' },
    /** Every process with the same priority; see `withinTheClock`. */
    level: { type: 'boolean', default: false },
  },
  run: runPeersBench,
}

/** What each clock holds, told with the figures: the two products do not promise the same. */
const withinTheClock = [
  'agent-sandbox: from the POST of a SandboxClaim until a watch shows it Ready with its sandbox; the pod has been told nothing',
  'Greenroom: from POST /v1/sessions until its 201 is read; the caller is known, the claim is durable, the pod has acknowledged the signed session, tokens are made',
  'both: pods are Ready by a status write 50 ms after they are bound, pools refill during each case, claims end after a case (open loop: 2 s after each)',
  'both: etcd does not wait for the disk, PostgreSQL (Greenroom) does; the API servers write an audit log',
  'both: what is on no claim path runs with lower priority, as it does on other machines of a cluster (agent-sandbox: kubelet; Greenroom: etcd, API server, webhook, controller); --level gives all the same',
] as const

/** Of the peer's controller. */
const refillRateFlag = '--sandbox-warm-pool-max-refill-rate'
const readyAfterMs = 50
/** Between two claims of one caller: the replacement of the last pod is on its way by then, not in the next claim's way. */
const pauseAloneMs = 150
/** What a session of the open loop lasts. */
const sessionMs = 2_000
const claimTimeoutMs = 30_000

export interface PeerCase {
  readonly name: string
  readonly concurrency: number
  readonly load: Pick<LoadSpec, 'loop' | 'count' | 'endAfterMs'>
}

/** One of the two. */
interface Side {
  readonly name: string
  run(load: PeerCase['load']): Promise<Measured & { readonly wrong: object }>
  untilFull(): Promise<void>
}

export async function runPeersBench(
  options: BenchOptions,
  say: (line: string) => void,
): Promise<BenchResult> {
  const program = String(options['agent-sandbox'])
  if (program === '' || options.crds === '')
    throw new UsageError(
      'peers needs --agent-sandbox PROGRAM (its controller, built by you) and --crds FOLDER',
    )
  const kinds = await readSandboxKinds(String(options.crds))
  if (options.level === true) levelPaces()
  const pool = Number(options.pool)
  const given = { pool, more: 3 * pool, readyAfterMs, say }
  const refillRate = Number(options['refill-rate'])
  const flags = String(options.flags)
    .split(' ')
    .filter((flag) => flag !== '')
  if (refillRate > 0) flags.push(`${refillRateFlag}=${refillRate}`)
  const peer = await startSandboxBed({ ...given, program, flags, kinds })
  try {
    const bed = await startRefilledBed({ ...given, onEmpty: 'wait' })
    try {
      const sides = [sandboxSide(peer), greenroomSide(bed)] as const
      await warmUp(sides, options, say)
      if (refillRate > 0) await bed.paceRefill(refillRate)
      return await measure(sides, options, say)
    } finally {
      await bed.stop()
    }
  } finally {
    await peer.stop()
  }
}

/** At most nine tenths of the pool, so that nobody meets an empty one while it refills. */
export function casesOf(options: BenchOptions): readonly PeerCase[] {
  const count = Math.floor(Number(options.pool) * 0.9)
  const closed = (concurrency: number, pauseMs = 0): PeerCase['load'] => ({
    loop: { kind: 'closed', concurrency, pauseMs },
    count,
  })
  const [perSecond, seconds] = [Number(options.rate), Number(options.seconds)]
  const open: PeerCase = {
    name: `${perSecond}/s open loop`,
    concurrency: perSecond,
    load: {
      loop: { kind: 'open', perSecond, lanes: perSecond * 8 },
      count: perSecond * seconds,
      endAfterMs: sessionMs,
    },
  }
  return [
    { name: 'alone', concurrency: 1, load: closed(1, pauseAloneMs) },
    ...String(options.concurrency)
      .split(',')
      .map(Number)
      .map((concurrency) => ({ name: `c=${concurrency}`, concurrency, load: closed(concurrency) })),
    ...(seconds > 0 ? [open] : []),
  ]
}

async function measure(
  sides: readonly [Side, Side],
  options: BenchOptions,
  say: (line: string) => void,
): Promise<BenchResult> {
  const cases = casesOf(options).map((one) => ({
    ...one,
    recorders: sides.map(() => createLatencyRecorder()),
  }))
  for (let round = 0; round < Number(options.rounds); round += 1) {
    for (const { name, load, recorders } of cases) {
      // The next round in the other order, so that what the host does meanwhile meets both.
      for (const turn of round % 2 === 0 ? [0, 1] : [1, 0]) {
        const side = sides[turn]
        if (!side) continue
        // The other's refill would take the cores of this one.
        await Promise.all(sides.map((each) => each.untilFull()))
        const measured = await side.run(load)
        recorders[turn]?.take(measured)
        if (measured.errors > 0) say(`${name}, ${side.name}: ${JSON.stringify(measured.wrong)}`)
      }
    }
    say(`round ${round + 1} is done`)
  }
  const rows = cases.flatMap(({ name, concurrency, recorders }) =>
    recorders.map((recorder, turn): BenchRow => recorder.row(`${name}, ${sides[turn]?.name}`, concurrency)),
  )
  const ratios = ratiosOfPeers(rows, {
    sides: [sides[0].name, sides[1].name],
    paced: cases.filter(({ load: { loop } }) => isPaced(loop)).map(({ name }) => name),
  })
  return { rows, ratios, withinTheClock, below: [...ratioTable(ratios), '', ...withinTheClock] }
}

function isPaced(loop: LoadSpec['loop']): boolean {
  return loop.kind === 'open' || (loop.pauseMs ?? 0) > 0
}

async function warmUp(
  [peer, greenroom]: readonly [Side, Side],
  options: BenchOptions,
  say: (line: string) => void,
): Promise<void> {
  // As many callers as there will be, so that their connections are made.
  const concurrency = Math.max(...casesOf(options).map((one) => one.concurrency))
  const load = (count: number): PeerCase['load'] => ({
    loop: { kind: 'closed', concurrency },
    count,
    endAfterMs: 0,
  })
  await greenroom.run(load(Number(options['warm-up'])))
  // Compiled before it runs, it has connections and caches to fill.
  await peer.run(load(Math.min(Number(options['warm-up']), Number(options.pool))))
  say('both have warmed up')
}

function sandboxSide({ claims, controller, ...bed }: SandboxBed): Side {
  const call = <T>(work: Promise<T>) => controller.whileRunning(work)
  return {
    name: 'agent-sandbox',
    untilFull: () => bed.untilFull(),
    async run(load) {
      const { reasons, ...measured } = await call(
        claims.call('run', { ...load, warmUp: 0, timeoutMs: claimTimeoutMs }),
      )
      await call(claims.call('endAll', undefined))
      return { ...measured, wrong: reasons }
    },
  }
}

function greenroomSide({ load: generator, target, ...bed }: RefilledBed): Side {
  return {
    name: 'Greenroom',
    untilFull: () => bed.untilFull(),
    async run(load) {
      const { statuses, locations, ...measured } = await generator.call('run', {
        ...load,
        target,
        warmUp: 0,
      })
      if (load.endAfterMs === undefined) await generator.call('end', { target, locations })
      return { ...measured, wrong: statuses }
    },
  }
}
