import { pause } from '../../src/timing/pause.ts'
import type { Bench, BenchOptions } from './bench.ts'
import type { ApiVariant, GreenroomBed } from './bench-bed.ts'
import { type BenchRow, createLatencyRecorder } from './latency-recorder.ts'
import { memoryMbOf } from './memory-meter.ts'
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
    /** Before each look, for the heap to be what it will stay. */
    'settle-seconds': { type: 'string', default: '5' },
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
  /** After the work, with whatever garbage V8 has not yet collected: of equal code it differs by a tenth and more. */
  readonly afterMb: number
  /** After a collection of all garbage. */
  readonly keptMb: number
}

/** Processes collect all garbage on a signal. */
const nodeArgs = ['--expose-gc', '--import', new URL('./collect-garbage.ts', import.meta.url).href]

/** The heap grows and shrinks with each collection: the middle of several looks. */
const looks = 11
const lookEveryMs = 100

/** By name; the middle of the looks. */
async function settledMb(
  processes: Readonly<Record<string, number | undefined>>,
  options: BenchOptions,
): Promise<Readonly<Record<string, number>>> {
  await pause(Number(options['settle-seconds']) * 1_000)
  const seen: Readonly<Record<string, number>>[] = []
  for (let look = 0; look < looks; look += 1) {
    seen.push(memoryMbOf(processes))
    await pause(lookEveryMs)
  }
  const middle = (name: string) =>
    seen.map((all) => all[name] ?? 0).toSorted((a, b) => a - b)[Math.floor(looks / 2)] ?? 0
  return Object.fromEntries(Object.keys(processes).map((name) => [name, middle(name)]))
}

interface Measured {
  readonly process: string
  readonly variant: string
  readonly pid: number
}

/** What each of the processes holds before and after the work. */
async function measureHeld(
  measured: readonly Measured[],
  options: BenchOptions,
  work: () => Promise<void>,
): Promise<readonly Held[]> {
  const nameOf = ({ process: name, variant }: Measured) => `${name}, ${variant}`
  const pids = Object.fromEntries(measured.map((its) => [nameOf(its), its.pid]))
  const atRest = await settledMb(pids, options)
  await work()
  const after = await settledMb(pids, options)
  for (const { pid } of measured) process.kill(pid, 'SIGUSR2')
  const kept = await settledMb(pids, options)
  return measured.map((its) => ({
    process: its.process,
    variant: its.variant,
    atRestMb: atRest[nameOf(its)] ?? 0,
    afterMb: after[nameOf(its)] ?? 0,
    keptMb: kept[nameOf(its)] ?? 0,
  }))
}

function pidOf(bed: GreenroomBed, role: string): number {
  const pid = bed.roles.get(role)?.pid
  if (pid === undefined) throw new Error(`${role} does not run`)
  return pid
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
  const { bed, load, freshStock } = await startTurnsBed(count, say, { nodeArgs })
  try {
    const targets = []
    for (const variant of variants) targets.push(await bed.startVariant(variant))
    const turns = targets.map((target) => ({ target, recorder: createLatencyRecorder() }))
    const apis = variants.map(({ name }) => ({
      process: 'api',
      variant: name,
      pid: pidOf(bed, name),
    }))
    const held = await measureHeld(apis, options, async () => {
      for (let opened = 0; opened < opens; opened += count) {
        for (const { target, recorder } of turns) {
          await freshStock()
          recorder.take(await load.call('run', { target, loop, count, warmUp: 0 }))
        }
      }
    })
    say(`each API has answered ${opens} opens`)
    const rows = turns.map(({ recorder }, turn) =>
      recorder.row(`open, ${variants[turn]?.name}`, loop.concurrency),
    )
    return { rows, held }
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
  const bed = await startRefilledBed({ pool, more: 3 * pool, onEmpty: 'wait', folder, nodeArgs, say })
  try {
    const roles = rolesOfPods.map((role) => ({ process: role, variant, pid: pidOf(bed, role) }))
    return await measureHeld(roles, options, async () => {
      const { errors } = await bed.load.call('run', {
        target: bed.target,
        loop: { kind: 'closed', concurrency: 8 },
        count: Number(options.refilled),
        warmUp: 0,
        endAfterMs: 0,
      })
      await bed.untilFull()
      say(`${variant}: ${options.refilled} opens on a refilled pool, ${errors} errors`)
    })
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
          kept: ratio(its.keptMb, other.keptMb),
        },
      ]
    })
}

export function memoryTable(held: readonly Held[]): readonly string[] {
  const line = (name: string, cells: readonly string[]) =>
    `${name.padEnd(28)}${cells.map((cell) => cell.padStart(12)).join('')}`
  const mb = (its: Held) => [its.atRestMb, its.afterMb, its.keptMb].map((one) => one.toFixed(1))
  return [
    line('resident memory, MB', ['at rest', 'after', 'kept']),
    ...held.map((its) => line(`${its.process}, ${its.variant}`, mb(its))),
    ...ratiosOfHeld(held).map(({ process: name, atRest, after, kept }) =>
      line(
        `${name}, this : against`,
        [atRest, after, kept].map((ratio) => `${ratio} ×`),
      ),
    ),
  ]
}
