import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../../bed/repository.ts'
import type { Bench } from './bench.ts'
import { rivalRules } from './rival-rules.ts'
import { type SizingLoad, syntheticLoads, traceLoads } from './sizing-loads.ts'
import { idleAtHitRate, loadFactory, tryBestFixed, tryHitRate } from './sizing-trial.ts'

/** `sizing`: the product's own decisions on simulated pools, beside the best fixed size and the rules of others. */

interface SizingRow {
  readonly load: string
  readonly kind: SizingLoad['kind']
  readonly seed: number
  readonly claims: number
  readonly hitRate: number
  readonly idlePods: number
  readonly fixedSize: number
  readonly fixedHitRate: number
  readonly fixedIdlePods: number
  /** Idle pods as a share of the best fixed size's. */
  readonly ofFixed: number
  /** Idle pods of each rival at the same hit rate; null if it never reaches it. */
  readonly rivals: Readonly<Record<string, number | null>>
  readonly microsecondsPerDecision: number
  readonly missed: readonly string[]
}

/** What the idle cost may be of the best fixed size's. */
const mostOfFixed = { steady: 1.1, moving: 0.65, other: Number.POSITIVE_INFINITY } as const
/** Points of a hit rate, as a share. */
const tolerance = 0.0005

/** Beside the project if it is there; the small ones of the tests otherwise. */
function tracesFolder(given: string): string {
  const beside = join(root, '../shared/traces')
  if (given !== '') return given
  return existsSync(beside) ? beside : join(root, 'test/fixtures/traces')
}

export const bench: Bench = {
  summary: 'hit rate and idle pods of hitRate beside fixed sizes and other rules, simulated',
  options: {
    target: { type: 'string', default: '0.999' },
    seeds: { type: 'string', default: '11' },
    loads: { type: 'string', default: '' },
    shorter: { type: 'string', default: '1' },
    traces: { type: 'string', default: '' },
    'no-rivals': { type: 'boolean', default: false },
  },
  async run(options, say) {
    const target = Number(options.target)
    const wanted = String(options.loads)
    const traces = await traceLoads(tracesFolder(String(options.traces)))
    const loads = [...syntheticLoads, ...traces].filter(({ name }) => name.includes(wanted))
    const sizing: SizingRow[] = []
    say(`target ${target}; idle pods as a share of the best fixed size, and of other rules at our hit rate`)
    for (const load of loads)
      for (const seed of String(options.seeds).split(',').map(Number)) {
        const days = traces.includes(load) ? load.days : load.days / Number(options.shorter)
        const row = rowOf({ ...load, days }, seed, {
          target,
          isTrace: traces.includes(load),
          rivals: !options['no-rivals'],
        })
        sizing.push(row)
        say(lineOf(row))
      }
    const missed = sizing.flatMap(({ load, seed, missed }) =>
      missed.map((what) => `${load}, seed ${seed}: ${what}`),
    )
    say(
      missed.length === 0
        ? 'every goal is kept'
        : `goals missed:\n${missed.map((line) => `          ${line}`).join('\n')}`,
    )
    return { rows: [], sizing, missed }
  },
}

interface RowOptions {
  readonly target: number
  readonly isTrace: boolean
  readonly rivals: boolean
}

function rowOf(load: SizingLoad, seed: number, { target, isTrace, rivals }: RowOptions): SizingRow {
  const create = loadFactory(load, seed, isTrace)
  const fixed = tryBestFixed(create, target)
  const ours = tryHitRate(create(), target)
  const costs = Object.fromEntries(
    (rivals ? rivalRules : []).map((rule) => [rule.name, idleAtHitRate(create, rule, ours.hitRate) ?? null]),
  )
  const row = {
    load: load.name,
    kind: load.kind,
    seed,
    claims: ours.claims,
    hitRate: ours.hitRate,
    idlePods: ours.idlePods,
    fixedSize: fixed.size,
    fixedHitRate: fixed.hitRate,
    fixedIdlePods: fixed.idlePods,
    ofFixed: ours.idlePods / fixed.idlePods,
    rivals: costs,
    microsecondsPerDecision: ours.microsecondsPerDecision,
  }
  return { ...row, missed: goalsMissed(row, target) }
}

function goalsMissed(row: Omit<SizingRow, 'missed'>, target: number): readonly string[] {
  const missed: string[] = []
  if (Math.abs(row.hitRate - target) > tolerance) missed.push(`hit rate ${percent(row.hitRate)}`)
  if (row.ofFixed > mostOfFixed[row.kind])
    missed.push(
      `idle ${Math.round(row.ofFixed * 100)} % of fixed:${row.fixedSize}, more than ${mostOfFixed[row.kind] * 100} %`,
    )
  for (const [rival, idle] of Object.entries(row.rivals))
    if (idle !== null && idle < row.idlePods)
      missed.push(`${rival} needs ${idle.toFixed(2)} idle pods, fewer than ${row.idlePods.toFixed(2)}`)
  if (row.microsecondsPerDecision > 1_000)
    missed.push(`a decision takes ${row.microsecondsPerDecision.toFixed(0)} us`)
  return missed
}

function lineOf(row: SizingRow): string {
  const rivals = Object.values(row.rivals).map((idle) =>
    idle === null ? 'never' : `${Math.round((row.idlePods / idle) * 100)} %`,
  )
  return [
    row.load.slice(0, 24).padEnd(24),
    `${row.claims} claims`.padStart(14),
    `hit ${percent(row.hitRate)}`,
    `idle ${row.idlePods.toFixed(2)}`.padStart(11),
    `fixed:${row.fixedSize} ${percent(row.fixedHitRate)} idle ${row.fixedIdlePods.toFixed(2)}`.padStart(30),
    `${Math.round(row.ofFixed * 100)} %`.padStart(6),
    `| ${rivals.join(', ')} | ${row.microsecondsPerDecision.toFixed(1)} us`,
  ].join('  ')
}

function percent(share: number): string {
  return `${(share * 100).toFixed(3)} %`
}
