/** The highest number of the last minutes, in slots of a fraction of them, so that the memory is bounded. */
export interface RecentHighest {
  /** [start of the slot in epoch milliseconds, number], oldest first, numbers falling. */
  readonly slots: [number, number][]
}

const slotsKept = 20

export function emptyRecentHighest(): RecentHighest {
  return { slots: [] }
}

/** Changes `recent` and returns the highest number of the last `holdMs`. */
export function highestSince({ slots }: RecentHighest, now: number, value: number, holdMs: number): number {
  const slot = Math.floor(now / (holdMs / slotsKept)) * (holdMs / slotsKept)
  // A slot in the future is from before the clock jumped back.
  while (slots[0] && (slots[0][0] <= now - holdMs || slots[0][0] > now)) slots.shift()
  while (slots.length > 0 && (slots.at(-1) as [number, number])[1] <= value) slots.pop()
  const last = slots.at(-1)
  if (last?.[0] !== slot) slots.push([slot, value])
  return (slots[0] as [number, number])[1]
}
