import { percentilesOf } from '../../bed/programs/percentiles.ts'
import type { Exchange } from './service-load.ts'

/** What people read at the end of a run. */

export interface Check {
  readonly what: string
  readonly ok: boolean
  readonly detail: string
}

/** One row for each kind of request. */
export function exchangeTable(exchanges: readonly Exchange[]): string {
  const rows = [...Map.groupBy(exchanges, ({ what }) => what)]
    .toSorted(([a], [b]) => a.localeCompare(b))
    .map(([what, some]) => rowOf(what, some))
  return table([
    ['request', 'sent', 'ok', 'no pod', 'failed', 'p50 ms', 'p99 ms', 'max ms'],
    ...rows,
    rowOf('all', exchanges),
  ])
}

export function checkTable(checks: readonly Check[]): string {
  return table(checks.map(({ what, ok, detail }) => [ok ? 'ok' : 'FAILED', what, detail]))
}

/** The first failures, with their time since the load began. */
export function failureLines(exchanges: readonly Exchange[], atMost = 20): string {
  return exchanges
    .filter(({ verdict }) => verdict === 'failed')
    .slice(0, atMost)
    .map(
      ({ what, atMs, ms, detail }) =>
        `  at ${atMs.toFixed(0)} ms after ${ms.toFixed(0)} ms: ${what}: ${detail}`,
    )
    .join('\n')
}

function rowOf(what: string, exchanges: readonly Exchange[]): string[] {
  const count = (verdict: Exchange['verdict']) =>
    `${exchanges.filter((exchange) => exchange.verdict === verdict).length}`
  const { p50, p99, max } = percentilesOf(exchanges.map(({ ms }) => ms))
  return [
    what,
    `${exchanges.length}`,
    count('ok'),
    count('refused'),
    count('failed'),
    p50.toFixed(1),
    p99.toFixed(1),
    max.toFixed(0),
  ]
}

/** The first column to the left, numbers to the right. */
function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? []
  return rows
    .map((row) =>
      row
        .map((cell, column) =>
          /^[\d.]+$|ms$|^(sent|ok|no pod|failed)$/.test(cell) && column > 0
            ? cell.padStart(widths[column] ?? 0)
            : cell.padEnd(widths[column] ?? 0),
        )
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
