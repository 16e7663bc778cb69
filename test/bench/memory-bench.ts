import { pause } from '../../src/timing/pause.ts'
import { rssMbOf } from './admission-bed.ts'
import type { Bench, BenchOptions } from './bench.ts'
import type { ApiVariant } from './bench-bed.ts'
import { type BenchRow, createLatencyRecorder } from './latency-recorder.ts'
import { startTurnsBed } from './open-turns.ts'
import { startRefilledBed } from './refilled-bed.ts'

/** What Greenroom's processes hold: at rest, and after they have worked. */
export const bench: Bench = {
  summary:
    'resident memory of API, controller and webhook at rest and after opens; --against: another checkout by turns',
  options: {
    /** Of each API process; from stock, a few at once. */
    opens: { type: 'string', default: '20000' },
    concurrency: { type: 'string', default: '32' },
    pool: { type: 'string', default: '500' },
    /** With controller and webhook, which replace each claimed pod of a pool. */
    refilled: { type: 'string', default: '1500' },
    'refilled-pool': { type: 'string', default: '100' },
    /** Folder of a checkout with its packages. */
    against: { type: 'string', default: '' },
  },
  run: runMemoryBench,
}

/** Resident memory of one process, MB. */
interface Held {
  readonly process: string
  readonly variant: string
  readonly atRestMb: number
  readonly afterMb: number
}

/** For the heap to be what it will stay. */
const settleMs = 5_000
/** The heap grows and shrinks with each collection: the middle of several looks. */
const looks = 11
const lookEveryMs = 200

async function settledMb(pid: number | undefined): Promise<number> {
  if (pid === undefined) throw new Error('the process does not run')
  await pause(settleMs)
  const seen: number[] = []
  for (let look = 0; look < looks; look += 1) {
    seen.push(rssMbOf(pid))
    await pause(lookEveryMs)
  }
  return seen.toSorted((a, b) => a - b)[Math.floor(looks / 2)] ?? 0
}

async function runMemoryBench(options: BenchOptions, say: (line: string) => void) {
  const against = String(options.against)
  const variants: readonly ApiVariant[] = [
    { name: 'this' },
    ...(against === '' ? [] : [{ name: 'against', folder: against }]),
  ]
  const ofApis = await measureApis(variants, options, say)
  const held: Held[] = [...ofApis.held]
  for (const variant of variants) held.push(...(await measureRoles(variant, options, say)))
  return { rows: ofApis.rows, held, ratios: ratiosOfHeld(held), below: memoryTable(held) }
}

/** The API processes stand side by side, and each opens the whole pool in its turn. */
async function measureApis(
  variants: readonly ApiVariant[],
  options: BenchOptions,
  say: (line: string) => void,
): Promise<{ readonly rows: readonly BenchRow[]; readonly held: readonly Held[] }> {
  const count = Number(options.pool)
  const opens = Number(options.opens)
  const loop = { kind: 'closed', concurrency: Number(options.concurrency) } as const
  const { bed, load, freshStock } = await startTurnsBed(count, say)
  try {
    const turns = []
    for (const variant of variants) {
      const target = await bed.startVariant(variant)
      const pid = bed.roles.get(variant.name)?.pid
      turns.push({ variant: variant.name, target, pid, recorder: createLatencyRecorder() })
    }
    const atRest = await Promise.all(turns.map(({ pid }) => settledMb(pid)))
    for (let opened = 0; opened < opens; opened += count) {
      for (const { target, recorder } of turns) {
        await freshStock()
        recorder.take(await load.call('run', { target, loop, count, warmUp: 0 }))
      }
    }
    const after = await Promise.all(turns.map(({ pid }) => settledMb(pid)))
    say(`each API has answered ${opens} opens`)
    return {
      rows: turns.map(({ variant, recorder }) => recorder.row(`open, ${variant}`, loop.concurrency)),
      held: turns.map(({ variant }, turn) => ({
        process: 'api',
        variant,
        atRestMb: atRest[turn] ?? 0,
        afterMb: after[turn] ?? 0,
      })),
    }
  } finally {
    await bed.stop()
  }
}

const rolesOfPods = ['controller', 'webhook'] as const

/** There is one leader and one address of the webhook, so each variant has a bed of its own, one after the other. */
async function measureRoles(
  { name: variant, folder }: ApiVariant,
  options: BenchOptions,
  say: (line: string) => void,
): Promise<readonly Held[]> {
  const pool = Number(options['refilled-pool'])
  const bed = await startRefilledBed({ pool, more: 3 * pool, onEmpty: 'wait', folder, say })
  try {
    const look = () => Promise.all(rolesOfPods.map((role) => settledMb(bed.roles.get(role)?.pid)))
    const atRest = await look()
    const { errors } = await bed.load.call('run', {
      target: bed.target,
      loop: { kind: 'closed', concurrency: 8 },
      count: Number(options.refilled),
      warmUp: 0,
      endAfterMs: 0,
    })
    await bed.untilFull()
    const after = await look()
    say(`${variant}: ${options.refilled} opens on a refilled pool, ${errors} errors`)
    return rolesOfPods.map((process, index) => ({
      process,
      variant,
      atRestMb: atRest[index] ?? 0,
      afterMb: after[index] ?? 0,
    }))
  } finally {
    await bed.stop()
  }
}

/** Of each process: this checkout's memory as a multiple of the other's. */
export function ratiosOfHeld(held: readonly Held[]) {
  return held
    .filter(({ variant }) => variant === 'this')
    .flatMap((its) => {
      const other = held.find(({ process, variant }) => process === its.process && variant === 'against')
      if (!other) return []
      const ratio = (one: number, two: number) => Math.round((one / two) * 1_000) / 1_000
      return [
        {
          process: its.process,
          atRest: ratio(its.atRestMb, other.atRestMb),
          after: ratio(its.afterMb, other.afterMb),
        },
      ]
    })
}

export function memoryTable(held: readonly Held[]): readonly string[] {
  const line = (name: string, atRest: string, after: string) =>
    `${name.padEnd(24)}${atRest.padStart(12)}${after.padStart(12)}`
  return [
    line('resident memory', 'at rest MB', 'after MB'),
    ...held.map((its) =>
      line(`${its.process}, ${its.variant}`, its.atRestMb.toFixed(1), its.afterMb.toFixed(1)),
    ),
    ...ratiosOfHeld(held).map((its) =>
      line(`${its.process}, this : against`, `${its.atRest} ×`, `${its.after} ×`),
    ),
  ]
}
