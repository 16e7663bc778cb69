import type { DayTimeline, TimelineBin } from './day-timeline.ts'
import { escapeHtml, niceTicks } from './svg-parts.ts'

const width = 760
const height = 240
const left = 44
const right = 16
const top = 14
const bottom = 40

/** The target, the pods that were ready, and a tick for each five minutes with misses. */
export function dayPlot({ name, fromSeconds, bins }: DayTimeline): string {
  const most = Math.max(1, ...bins.map(({ target, ready }) => Math.max(target || 0, ready || 0))) * 1.1
  const x = (bin: number): number => left + (bin / bins.length) * (width - left - right)
  const y = (pods: number): number => height - bottom - (pods / most) * (height - top - bottom)
  const step = (pick: (bin: TimelineBin) => number): string => {
    let last = 0
    return bins
      .map((bin, index) => {
        const pods = pick(bin)
        last = Number.isNaN(pods) ? last : pods
        return `${index === 0 ? 'M' : 'L'}${x(index).toFixed(1)} ${y(last).toFixed(1)}H${x(index + 1).toFixed(1)}`
      })
      .join('')
  }
  const rows = niceTicks(most, 4).map(
    (pods) =>
      `<path class="grid" d="M${left} ${y(pods).toFixed(1)}H${width - right}"/><text class="tick" x="${left - 6}" y="${y(pods).toFixed(1)}" text-anchor="end" dominant-baseline="middle">${pods}</text>`,
  )
  const every = bins.length > 100 ? 36 : 6
  const columns = bins
    .map((_, index) => index)
    .filter((index) => index % every === 0)
    .map((index) => {
      const minutes = Math.floor(fromSeconds / 60) + index * 5
      const clock = `${String(Math.floor(minutes / 60) % 24).padStart(2, '0')}:${String(minutes % 60).padStart(2, '0')}`
      return `<text class="tick" x="${x(index).toFixed(1)}" y="${height - bottom + 26}" text-anchor="middle">${clock}</text>`
    })
  const misses = bins
    .map(({ misses: count }, index) => ({ count, at: x(index + 0.5).toFixed(1) }))
    .filter(({ count }) => count > 0)
    .map(
      ({ count, at }) =>
        `<path class="miss" d="M${at} ${height - bottom + 2}v8"><title>${count} claims waited</title></path>`,
    )
  return `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeHtml(`A day of ${name}`)}">
${rows.join('')}${columns.join('')}
<path class="ready" d="${step(({ ready }) => ready)}"/>
<path class="target" d="${step(({ target }) => target)}"/>
${misses.join('')}
</svg>`
}
