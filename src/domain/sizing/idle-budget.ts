/** A purse of idle pod-hours: filled evenly through the day, emptied by pods that are Ready and wait for a claim. */
export interface IdleBudget {
  /** Hours spent beyond what came in; below zero they are saved. */
  spentPodHours: number
}

/** At most one day is saved up. */
const mostSavedDays = 1
/** What is saved may be spent within four hours: long enough for a morning, short enough to be worth saving. */
const spendHours = 4

export function emptyIdleBudget(): IdleBudget {
  return { spentPodHours: 0 }
}

/** Changes `budget`. */
export function noteIdlePods(
  budget: IdleBudget,
  idlePods: number,
  elapsedSeconds: number,
  podHoursPerDay: number,
): void {
  const spent = budget.spentPodHours + ((idlePods - podHoursPerDay / 24) * elapsedSeconds) / 3_600
  // A debt is paid back for a day at most, or `min` alone could close the purse for ever.
  budget.spentPodHours =
    Math.max(-mostSavedDays, Math.min(mostSavedDays, spent / podHoursPerDay)) * podHoursPerDay
}

/** Most idle pods that the purse allows now, in whole pods. */
export function idlePodsAllowed({ spentPodHours }: IdleBudget, podHoursPerDay: number): number {
  return Math.max(0, podHoursPerDay / 24 - spentPodHours / spendHours)
}
