import type { SizingOutcome } from './compare-sizings.ts'

export type OutcomeRow = readonly string[]

/** The same rows for the terminal and the page. */
export function outcomeRows(outcomes: readonly SizingOutcome[]): readonly OutcomeRow[] {
  return [
    [
      'SIZING',
      'HIT RATE',
      '95 % INTERVAL',
      'MISSES',
      'WAIT P50',
      'WAIT P99',
      'IDLE PODS',
      'IDLE POD-HOURS',
      'COST/MONTH',
    ],
    ...outcomes.map((outcome) => [
      outcome.name,
      percent(outcome.hitRate),
      `${percent(outcome.interval[0])} - ${percent(outcome.interval[1])}`,
      String(outcome.misses),
      outcome.misses === 0 ? '-' : `${outcome.waitP50.toFixed(1)} s`,
      outcome.misses === 0 ? '-' : `${outcome.waitP99.toFixed(1)} s`,
      outcome.idlePods.toFixed(2),
      outcome.idlePodHours.toFixed(1),
      outcome.costPerMonth.toFixed(2),
    ]),
  ]
}

function percent(share: number): string {
  return `${(share * 100).toFixed(3)} %`
}
