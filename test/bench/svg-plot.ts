/** Curves as an SVG that stands alone: axes with units, a legend, colours for light and dark surfaces. */
export interface Plot {
  readonly title: string
  readonly x: PlotAxis
  readonly y: PlotAxis
  readonly series: readonly PlotSeries[]
}

export interface PlotAxis {
  /** With its unit: `pods`, `p99, ms`. */
  readonly label: string
  /** Powers of ten at equal distances. Points at or below zero are left out. Else the axis begins at zero. */
  readonly log?: boolean
}

export interface PlotSeries {
  readonly name: string
  readonly points: readonly (readonly [x: number, y: number])[]
}

const size = { width: 720, height: 400 }
const edge = { left: 72, right: 36, top: 72, bottom: 52 }
const plotWidth = size.width - edge.left - edge.right
const plotHeight = size.height - edge.top - edge.bottom
/** About as wide as a letter of the legend. */
const letterWidth = 7

/** Six colours that differ in lightness too. Each series also has a mark of its own, so colour is never alone. */
const style = `
svg { --ink: #1a1d21; --soft: #5d6570; --line: #dfe3e8; --page: #ffffff;
  --s0: #1f5fbf; --s1: #b3541e; --s2: #2c7a4b; --s3: #7a3fa0; --s4: #8a6d00; --s5: #a02860 }
@media (prefers-color-scheme: dark) { svg { --ink: #e8eaed; --soft: #a2abb6; --line: #353b43; --page: #14171b;
  --s0: #7fb0ff; --s1: #f0a06b; --s2: #7fcf9f; --s3: #cfa3ee; --s4: #e0c45c; --s5: #f29ac0 } }
text { font: 12px system-ui, sans-serif; fill: var(--soft) } .title { font-size: 14px; font-weight: 600; fill: var(--ink) }
.name { fill: var(--ink) } .grid { stroke: var(--line) } .page { fill: var(--page) }
${Array.from({ length: 6 }, (_, n) => `.s${n} { stroke: var(--s${n}); fill: var(--s${n}) }`).join(' ')}
.curve { fill: none; stroke-width: 2 } .s0 text, .s1 text, .s2 text, .s3 text, .s4 text, .s5 text { stroke: none }`

/** Throws if no point can be shown. */
export function svgPlot({ title, x, y, series }: Plot): string {
  const shown = series.map(({ name, points }) => ({
    name,
    points: points.filter(([px, py]) => (!x.log || px > 0) && (!y.log || py > 0)),
  }))
  const all = shown.flatMap(({ points }) => points)
  if (all.length === 0) throw new Error(`the plot "${title}" has no points`)
  const across = scaleOf(
    x,
    all.map(([px]) => px),
  )
  const up = scaleOf(
    y,
    all.map(([, py]) => py),
  )
  const place = ([px, py]: readonly [number, number]) => ({
    x: edge.left + across.at(px) * plotWidth,
    y: size.height - edge.bottom - up.at(py) * plotHeight,
  })
  const curves = shown.map(({ points }, n) => {
    const places = points.map(place)
    const path = places
      .map((at, index) => `${index === 0 ? 'M' : 'L'}${at.x.toFixed(1)} ${at.y.toFixed(1)}`)
      .join('')
    const marks = places.map((at, index) => {
      const [px = 0, py = 0] = points[index] ?? []
      return mark(n, at, `${numberText(px)}: ${numberText(py)}`)
    })
    return `<g class="s${n % 6}"><path class="curve" d="${path}"/>${marks.join('')}</g>`
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size.width} ${size.height}" role="img" aria-label="${escaped(title)}">
<style>${style}</style>
<rect class="page" width="${size.width}" height="${size.height}" rx="6"/>
<text class="title" x="${edge.left}" y="24">${escaped(title)}</text>
${legend(shown.map(({ name }) => name))}
${across.ticks.map((tick) => column(place([tick, up.least]).x, tick)).join('')}
${up.ticks.map((tick) => row(place([across.least, tick]).y, tick)).join('')}
${curves.join('\n')}
<text x="${edge.left + plotWidth / 2}" y="${size.height - 12}" text-anchor="middle">${escaped(x.label)}</text>
<text transform="translate(18 ${edge.top + plotHeight / 2}) rotate(-90)" text-anchor="middle">${escaped(y.label)}</text>
</svg>
`
}

interface Scale {
  readonly least: number
  readonly ticks: readonly number[]
  /** 0 at the beginning of the axis, 1 at its end. */
  readonly at: (value: number) => number
}

function scaleOf({ log }: PlotAxis, values: readonly number[]): Scale {
  return log ? logScale(Math.min(...values), Math.max(...values)) : linearScale(Math.max(...values))
}

/** From a round number below the least to one above the most; ticks at powers of ten, and at 2 and 5 where there is room. */
function logScale(least: number, most: number): Scale {
  const powers = range(Math.floor(Math.log10(least)), Math.ceil(Math.log10(most)))
  const steps = powers.length > 4 ? [1] : [1, 2, 5]
  const round = powers.flatMap((power) => steps.map((step) => Number((step * 10 ** power).toPrecision(3))))
  const first = round.findLast((tick) => tick <= least) ?? least
  const last = round.find((tick) => tick >= most && tick > first) ?? most * 10
  const span = Math.log10(last / first)
  return {
    least: first,
    ticks: round.filter((tick) => tick >= first && tick <= last),
    at: (value) => Math.log10(value / first) / span,
  }
}

function linearScale(most: number): Scale {
  const rough = Math.max(most, Number.MIN_VALUE) / 5
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((one) => one >= rough) ?? 10 * power
  const count = Math.ceil(Math.max(most, step) / step - 1e-9)
  const last = count * step
  return {
    least: 0,
    ticks: range(0, count).map((n) => Number((n * step).toPrecision(6))),
    at: (value) => value / last,
  }
}

function range(from: number, to: number): readonly number[] {
  return Array.from({ length: to - from + 1 }, (_, n) => from + n)
}

function column(at: number, tick: number): string {
  const [top, bottom] = [edge.top, size.height - edge.bottom]
  return `<path class="grid" d="M${at.toFixed(1)} ${top}V${bottom}"/><text x="${at.toFixed(1)}" y="${bottom + 18}" text-anchor="middle">${numberText(tick)}</text>`
}

function row(at: number, tick: number): string {
  return `<path class="grid" d="M${edge.left} ${at.toFixed(1)}H${size.width - edge.right}"/><text x="${edge.left - 8}" y="${(at + 4).toFixed(1)}" text-anchor="end">${numberText(tick)}</text>`
}

/** A disc, a square, a triangle, a lozenge, by turns. */
function mark(n: number, { x, y }: { x: number; y: number }, words: string): string {
  const shapes = [
    '<circle r="4"/>',
    '<rect x="-3.5" y="-3.5" width="7" height="7"/>',
    '<path d="M0 -5L4.5 3.5H-4.5Z"/>',
    '<path d="M0 -5L5 0L0 5L-5 0Z"/>',
  ]
  const shape = shapes[n % shapes.length] ?? ''
  return `<g transform="translate(${x.toFixed(1)} ${y.toFixed(1)})">${shape}<title>${escaped(words)}</title></g>`
}

function legend(names: readonly string[]): string {
  let at = edge.left
  const entries = names.map((name, n) => {
    const entry = `<g class="s${n % 6}"><path class="curve" d="M${at} 46H${at + 22}"/>${mark(n, { x: at + 11, y: 46 }, name)}<text class="name" x="${at + 28}" y="50">${escaped(name)}</text></g>`
    at += 28 + name.length * letterWidth + 18
    return entry
  })
  return entries.join('')
}

function numberText(value: number): string {
  return value.toLocaleString('en', { maximumSignificantDigits: 4 })
}

function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
}
