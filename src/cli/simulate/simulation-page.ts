import type { SizingOutcome } from './compare-sizings.ts'
import { costPlot } from './cost-plot.ts'
import { dayPlot } from './day-plot.ts'
import type { DayTimeline } from './day-timeline.ts'
import type { OutcomeRow } from './outcome-table.ts'
import { escapeHtml } from './svg-parts.ts'

interface SimulationPage {
  readonly title: string
  readonly facts: readonly string[]
  readonly outcomes: readonly SizingOutcome[]
  readonly rows: readonly OutcomeRow[]
  /** Fixed sizes one after the other. */
  readonly curve: readonly SizingOutcome[]
  readonly days: readonly DayTimeline[]
  readonly unit: string
}

/** Palette of the plots, one set for light and one for dark surfaces; dots are numbered, so colour is never alone. */
const style = `
:root { color-scheme: light dark; --ink: #1a1d21; --soft: #5d6570; --line: #dfe3e8; --page: #ffffff; --fill: #d9e5f6;
  --a: #1f5fbf; --b: #b3541e; --c: #2c7a4b; --d: #7a3fa0; --e: #8a6d00; --f: #a02860; --bad: #c0262d }
@media (prefers-color-scheme: dark) { :root { --ink: #e8eaed; --soft: #a2abb6; --line: #353b43; --page: #14171b; --fill: #22364f;
  --a: #7fb0ff; --b: #f0a06b; --c: #7fcf9f; --d: #cfa3ee; --e: #e0c45c; --f: #f29ac0; --bad: #ff7b80 } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--page); margin: 2rem auto; max-width: 1240px; padding: 0 1rem }
h1 { font-size: 1.4rem } h2 { font-size: 1.05rem; margin-top: 2rem } p, li { color: var(--soft) }
.table { overflow-x: auto } table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
th, td { text-align: right; padding: .35rem .5rem; border-bottom: 1px solid var(--line); white-space: nowrap }
th { font-weight: 600; color: var(--soft) } th:nth-child(2), td:nth-child(2) { text-align: left }
svg { width: 100%; max-width: 800px; height: auto; display: block } text { font: 12px system-ui, sans-serif; fill: var(--soft) } .name { fill: var(--ink); font-weight: 600 }
.grid { stroke: var(--line); fill: none } .curve { stroke: var(--soft); fill: none; stroke-width: 1.5; stroke-dasharray: 4 4 }
.ready { stroke: var(--a); fill: none; stroke-width: 1 } .target { stroke: var(--b); fill: none; stroke-width: 2 } .miss { stroke: var(--bad); stroke-width: 2 }
circle { stroke: var(--page); stroke-width: 2 }
.series-0 circle { fill: var(--a) } .series-1 circle { fill: var(--b) } .series-2 circle { fill: var(--c) }
.series-3 circle { fill: var(--d) } .series-4 circle { fill: var(--e) } .series-5 circle { fill: var(--f) }
.key b { font-weight: 600 } .key .t { color: var(--b) } .key .r { color: var(--a) } .key .m { color: var(--bad) }`

/** One file that needs nothing else: it can be mailed, and opens without a network. */
export function simulationPage(page: SimulationPage): string {
  const [head, ...rows] = page.rows
  const cells = (tag: string, row: OutcomeRow, number: string): string =>
    `<tr><${tag}>${number}</${tag}>${row.map((cell) => `<${tag}>${escapeHtml(cell)}</${tag}>`).join('')}</tr>`
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escapeHtml(page.title)}</title><style>${style}
</style></head><body>
<h1>${escapeHtml(page.title)}</h1>
<ul>${page.facts.map((fact) => `<li>${escapeHtml(fact)}</li>`).join('')}</ul>
<h2>What each sizing gives</h2>
<div class="table"><table>${cells('th', head ?? [], '')}${rows.map((row, index) => cells('td', row, String(index + 1))).join('')}</table></div>
<h2>Hit rate against cost</h2>
<p>Each dot is a row of the table. The dashed line is every fixed size. Up and to the left is better.</p>
${costPlot(page.outcomes, page.curve, page.unit)}
${page.days.map((day) => `<h2>The last day of ${escapeHtml(day.name)}</h2>\n<p class="key"><b class="t">Target</b>, <b class="r">ready pods</b> (the least of five minutes) and <b class="m">misses</b>; times are UTC.</p>\n${dayPlot(day)}`).join('\n')}
</body></html>
`
}
