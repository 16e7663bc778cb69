import type { PoolReport } from '../client/api-types.ts'
import type { PoolHistoryPoint } from '../domain/pool-history.ts'

/** Idle as an area, claimed as a line, waiting as a block: the last minutes of a pool at a glance. */

const svg = 'http://www.w3.org/2000/svg'
const width = 300
const height = 60
const minuteMs = 60_000
/** There is a point each minute. Where two in a row are missing nobody looked, and nothing is drawn. */
const gapMs = 2.5 * minuteMs

const names = ['idle', 'waiting', 'claimed'] as const
type Name = (typeof names)[number]
type Counts = Readonly<Record<Name, number>> & { readonly at: number }

export function createSparkline({ minutes, look }: { readonly minutes: number; readonly look: string }) {
  const root = document.createElementNS(svg, 'svg')
  root.setAttribute('class', look)
  root.setAttribute('viewBox', `0 0 ${width} ${height}`)
  root.setAttribute('preserveAspectRatio', 'none')
  root.setAttribute('role', 'img')
  const paths = names.map((name) => {
    const path = document.createElementNS(svg, 'path')
    path.setAttribute('class', name)
    root.append(path)
    return [name, path] as const
  })
  return {
    node: root,
    /** The kept minutes, and how the pool is now. Returns the range of each count in words. */
    show(
      points: readonly PoolHistoryPoint[],
      pool: PoolReport | undefined,
    ): readonly (readonly [Name, string])[] {
      const now = Date.now()
      const counts = countsOf(points, pool, now)
      const ranges = counts.length === 0 ? [] : names.map((name) => [name, rangeOf(counts, name)] as const)
      root.setAttribute('aria-label', ranges.map(([, range]) => range).join(', ') || 'Nothing is kept yet')
      const top = Math.max(1, ...counts.flatMap((one) => names.map((name) => one[name])))
      const x = (at: number) => Math.max(0, width - ((now - at) / (minutes * minuteMs)) * width)
      // A little room above and below, so that a line at either edge is not cut in half.
      const y = (value: number) => height - (value / top) * (height - 3)
      const spells = spellsOf(counts)
      for (const [name, path] of paths) {
        const drawn = spells.map((spell) => {
          const line = spell.map((one) => [x(one.at), y(one[name])] as const)
          return name === 'claimed'
            ? stepsOf(line.map(([at, value]) => [at, Math.min(value, height - 2)]))
            : areaOf(line)
        })
        path.setAttribute('d', drawn.join(''))
      }
      return ranges
    },
  }
}

function countsOf(points: readonly PoolHistoryPoint[], pool: PoolReport | undefined, now: number): Counts[] {
  const kept = points.map(({ at, idle, claimed, waiting = 0 }) => ({
    at: Date.parse(at),
    idle,
    claimed,
    waiting,
  }))
  return pool ? [...kept, { at: now, idle: pool.ready, claimed: pool.claimed, waiting: pool.waiting }] : kept
}

/** Parts without a gap between them. */
function spellsOf(counts: readonly Counts[]): Counts[][] {
  const spells: Counts[][] = []
  for (const one of counts) {
    const spell = spells.at(-1)
    const last = spell?.at(-1)
    if (spell && last && one.at - last.at <= gapMs) spell.push(one)
    else spells.push([one])
  }
  return spells
}

type Line = readonly (readonly [x: number, y: number])[]

/** A count stays what it is until the next one. */
function stepsOf(line: Line): string {
  return line.map(([x, y], n) => (n === 0 ? `M${round(x)} ${round(y)}` : `H${round(x)}V${round(y)}`)).join('')
}

function areaOf(line: Line): string {
  // What was never there is not drawn, not even as a line along the ground.
  if (line.every(([, y]) => y === height)) return ''
  return `${stepsOf(line)}V${height}H${round(line[0]?.[0] ?? 0)}Z`
}

const round = (value: number) => Math.round(value * 10) / 10

function rangeOf(counts: readonly Counts[], name: Name): string {
  const values = counts.map((one) => one[name])
  const [low, high] = [Math.min(...values), Math.max(...values)]
  return low === high ? `${name} ${low}` : `${name} ${low} to ${high}`
}
