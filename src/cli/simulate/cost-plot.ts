import type { SizingOutcome } from './compare-sizings.ts'
import { escapeHtml, niceTicks } from './svg-parts.ts'

const width = 760
const height = 380
const left = 70
const right = 24
const top = 20
const bottom = 50

/** Nines: 0.9 is 1, 0.999 is 3. A perfect run is drawn a little above what its claims can show. */
function ninesOf({ misses, claims }: SizingOutcome): number {
  return -Math.log10(Math.max(misses, 0.5) / Math.max(1, claims))
}

/** Hit rate against idle cost: the curve of fixed sizes, and a dot for each rule. Left and high is good. */
export function costPlot(
  outcomes: readonly SizingOutcome[],
  curve: readonly SizingOutcome[],
  unit: string,
): string {
  const all = [...outcomes, ...curve]
  const mostCost = Math.max(...all.map(({ costPerMonth }) => costPerMonth), 1e-9) * 1.08
  const leastNines = Math.max(0, Math.min(...outcomes.map(ninesOf)) - 0.3)
  const mostNines = Math.max(...all.map(ninesOf)) + 0.2
  const x = (cost: number): number => left + (cost / mostCost) * (width - left - right)
  const y = (nines: number): number =>
    height - bottom - ((nines - leastNines) / (mostNines - leastNines)) * (height - top - bottom)
  const rates = [0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9999, 0.99999].filter(
    (rate) => {
      const nines = -Math.log10(1 - rate)
      return nines >= leastNines && nines <= mostNines
    },
  )
  const rows = rates.map((rate) => {
    const at = y(-Math.log10(1 - rate)).toFixed(1)
    const label = `${Number((rate * 100).toFixed(3))} %`
    return `<path class="grid" d="M${left} ${at}H${width - right}"/><text class="tick" x="${left - 8}" y="${at}" text-anchor="end" dominant-baseline="middle">${label}</text>`
  })
  const columns = niceTicks(mostCost, 6).map((cost) => {
    const at = x(cost).toFixed(1)
    return `<path class="grid" d="M${at} ${top}V${height - bottom}"/><text class="tick" x="${at}" y="${height - bottom + 18}" text-anchor="middle">${cost}</text>`
  })
  // From the last size below what is shown, so that the line comes in at the edge.
  const below = curve.findLastIndex((outcome) => ninesOf(outcome) < leastNines)
  const shown = curve.slice(Math.max(0, below))
  const line = shown.map((outcome, index) => {
    const place = `${x(outcome.costPerMonth).toFixed(1)} ${y(ninesOf(outcome)).toFixed(1)}`
    return `${index === 0 ? 'M' : 'L'}${place}`
  })
  const dots = outcomes.map((outcome, index) => {
    const at = { x: x(outcome.costPerMonth).toFixed(1), y: y(ninesOf(outcome)).toFixed(1) }
    const title = `${outcome.name}: ${(outcome.hitRate * 100).toFixed(3)} %, ${outcome.costPerMonth.toFixed(2)}`
    return `<g class="series-${index % 6}"><circle cx="${at.x}" cy="${at.y}" r="6"><title>${escapeHtml(title)}</title></circle><text class="name" x="${at.x}" y="${at.y}" dx="10" dy="-8">${index + 1}</text></g>`
  })
  return `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="Hit rate against idle cost a month">
${rows.join('')}${columns.join('')}
<clipPath id="plot"><rect x="${left}" y="${top}" width="${width - left - right}" height="${height - top - bottom}"/></clipPath>
<path class="curve" clip-path="url(#plot)" d="${line.join('')}"/>
${dots.join('\n')}
<text class="axis" x="${(left + width - right) / 2}" y="${height - 10}" text-anchor="middle">idle cost a month, ${escapeHtml(unit)}</text>
</svg>`
}
