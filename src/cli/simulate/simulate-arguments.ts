import { readFile } from 'node:fs/promises'
import { checkPools, type PoolSpec } from '../../domain/pool.ts'
import { GreenroomError } from '../../errors.ts'
import type { OptionValues } from '../line/command-spec.ts'
import { type NamedSizing, readSizingArgument } from './sizing-argument.ts'
import { readStartTimes, type StartTimes } from './start-times.ts'
import { syntheticLoads } from './synthetic-load.ts'

export interface SimulateArguments {
  readonly source:
    | { readonly kind: 'trace'; readonly file: string }
    | { readonly kind: 'synthetic'; readonly load: string }
    | { readonly kind: 'history' }
  readonly agentType: string | undefined
  readonly days: number
  readonly stretch: number
  readonly starts: StartTimes
  readonly startsText: string
  readonly sizings: readonly NamedSizing[]
  readonly goal: number
  readonly budget: number | undefined
  readonly price: number
  readonly warmUpHours: number
  readonly sessionSeconds: number
  readonly bounds: { readonly min: number; readonly max: number }
  readonly limits: { readonly startSlots?: number; readonly createsPerSecond?: number }
  readonly seed: number
  readonly json: boolean
  readonly report: string | undefined
}

const loads = Object.entries(syntheticLoads)
  .map(([name, { numbers, meaning }]) => `${name}:${numbers.join(',')} ${meaning}`)
  .join('; ')

/** Where the claims come from, the pool that is played, and the answer that is wanted. */
export const simulateOptions = {
  trace: {
    type: 'string',
    value: 'FILE',
    help: 'CSV with a time a row, or a time and a count (epoch or ISO 8601)',
  },
  synthetic: { type: 'string', value: 'LOAD', help: `claims that are made up: ${loads}` },
  history: { type: 'boolean', default: false, help: 'the sessions in PostgreSQL (DATABASE_URL)' },
  type: { type: 'string', value: 'AGENT-TYPE', help: 'the pool of --pools, or the sessions of --history' },
  pools: { type: 'string', value: 'FILE', help: 'the pool of this pools.yaml: its sizing, min and max' },
  days: { type: 'string', value: 'N', default: '7', help: 'length of a synthetic load' },
  stretch: {
    type: 'string',
    value: 'FACTOR',
    default: '1',
    help: 'time of a trace goes so many times slower',
  },
  starts: {
    type: 'string',
    value: 'TIMES',
    default: 'lognormal:6,40',
    help: 'how long pods start: lognormal:MEDIAN,P99, constant:SECONDS or a file of seconds',
  },
  sizing: {
    type: 'string',
    multiple: true,
    value: 'RULE',
    help: 'fixed:7, buffer:3, buffer:20%, hitRate:0.999 or hitRate:0.999,maxIdle=30',
  },
  goal: {
    type: 'string',
    value: 'SHARE',
    default: '0.999',
    help: 'hit rate for which the best fixed size is looked up',
  },
  budget: { type: 'string', value: 'MONEY', help: 'a month for idle pods: finds the best hit rate for it' },
  price: { type: 'string', value: 'MONEY', default: '0.05', help: 'of one pod for one hour' },
  'warm-up-hours': { type: 'string', value: 'N', default: '0', help: 'are played and not counted' },
  'session-seconds': { type: 'string', value: 'N', default: '600', help: 'mean length of a session' },
  min: { type: 'string', value: 'N', help: 'idle pods, always' },
  max: { type: 'string', value: 'N', help: 'idle and claimed pods together, at most' },
  'start-slots': { type: 'string', value: 'N', help: 'pods that can start at once' },
  'creates-per-second': { type: 'string', value: 'N', help: 'pods that can be made in a second' },
  seed: { type: 'string', value: 'N', default: '1', help: 'of all random numbers' },
  json: { type: 'boolean', default: false, help: 'the outcome as JSON' },
  report: { type: 'string', value: 'FILE', help: 'write a page with plots' },
} as const

export type SimulateValues = OptionValues<typeof simulateOptions>
type Values = SimulateValues

/** @throws TypeError what is wrong, GreenroomError for a file that is not valid */
export async function readSimulateArguments(values: SimulateValues): Promise<SimulateArguments> {
  const pool = values.pools === undefined ? undefined : await readPool(values.pools, values.type)
  const slots = optional(values, 'start-slots', 1, 100_000)
  const perSecond = optional(values, 'creates-per-second', 0.001, 100_000)
  return {
    source: sourceOf(values),
    agentType: values.type,
    days: number(values, 'days', 0.01, 3_650),
    stretch: number(values, 'stretch', 1e-6, 1e6),
    starts: await readStartTimes(values.starts),
    startsText: values.starts,
    sizings: sizingsOf(values, pool),
    goal: number(values, 'goal', 0.5, 0.9999),
    budget: optional(values, 'budget', 1e-9, 1e12),
    price: number(values, 'price', 0, 1e6),
    warmUpHours: number(values, 'warm-up-hours', 0, 87_600),
    sessionSeconds: number(values, 'session-seconds', 0.001, 604_800),
    bounds: {
      min: optional(values, 'min', 0, 100_000) ?? pool?.min ?? 0,
      max: optional(values, 'max', 0, 100_000) ?? pool?.max ?? 100_000,
    },
    limits: {
      ...(slots !== undefined && { startSlots: slots }),
      ...(perSecond !== undefined && { createsPerSecond: perSecond }),
    },
    seed: number(values, 'seed', 0, 2 ** 31),
    json: values.json,
    report: values.report,
  }
}

function sourceOf({ trace, synthetic, history }: Values): SimulateArguments['source'] {
  const given = [trace !== undefined, synthetic !== undefined, history].filter(Boolean).length
  if (given !== 1) throw new TypeError('give one of --trace FILE, --synthetic LOAD and --history')
  if (trace !== undefined) return { kind: 'trace', file: trace }
  return synthetic === undefined ? { kind: 'history' } : { kind: 'synthetic', load: synthetic }
}

/** Those that are named, the pool's own, or two rules that are worth comparing. */
function sizingsOf(values: Values, pool: PoolSpec | undefined): readonly NamedSizing[] {
  const own: readonly NamedSizing[] = pool
    ? [{ name: `pool ${values.type ?? ''}`, spec: pool.sizing ?? { mode: 'apply', fixed: pool.min } }]
    : []
  const named = (values.sizing ?? []).map(readSizingArgument)
  const all = [...own, ...named].map(({ name, spec }) => ({
    name,
    spec: { ...spec, mode: 'apply' as const },
  }))
  if (all.length > 0 || values.budget !== undefined) return all
  return [`hitRate:${values.goal}`, 'buffer:20%'].map(readSizingArgument)
}

/** @throws GreenroomError GRN_INVALID_POOLS */
async function readPool(file: string, agentType: string | undefined): Promise<PoolSpec> {
  const text = await readFile(file, 'utf8').catch((error: Error) => {
    throw new TypeError(`--pools: ${error.message}`)
  })
  const checked = checkPools(text)
  if (!checked.ok) throw new GreenroomError('GRN_INVALID_POOLS', `${file}: ${checked.problems.join('; ')}.`)
  const { pools } = checked.value
  const pool = agentType !== undefined && Object.hasOwn(pools, agentType) ? pools[agentType] : undefined
  if (!pool) throw new TypeError(`--type: one of ${Object.keys(pools).join(', ')}`)
  return pool
}

type NumberOption = Exclude<keyof Values, 'sizing' | 'json' | 'history'>

function number(values: Values, name: NumberOption, least: number, most: number): number {
  const text = values[name]
  const value = text === undefined || text.trim() === '' ? Number.NaN : Number(text)
  if (!(value >= least && value <= most))
    throw new TypeError(`--${name}: expected a number from ${least} to ${most}`)
  return value
}

function optional(values: Values, name: NumberOption, least: number, most: number): number | undefined {
  return values[name] === undefined ? undefined : number(values, name, least, most)
}
