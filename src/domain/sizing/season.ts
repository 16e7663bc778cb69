/**
 * What time of day brings how many claims, learned by bins of five minutes of the UTC day, weekdays and weekends apart. A
 * forecast only ever raises a target. Where daylight saving time moves a pattern, one day is out by an hour.
 */
export interface SeasonMemory {
  /** Claims per second of each bin; -1 where no day has been seen. */
  readonly weekday: number[]
  readonly weekend: number[]
  /** The bin under way, counted from the epoch. */
  bin: number
  claims: number
  /** Seconds of it that were watched. */
  seconds: number
}

const binSeconds = 300
export const binsOfDay = 86_400 / binSeconds

/** A new day counts 40 %: after four days the first has a weight of 13 %. */
const newestShare = 0.4
/** Days that such a mean is worth: (2 - 0.4) / 0.4. */
const effectiveDays = 4
/** Days differ by about 14 % beyond chance, on the traces of taxis and of web requests. */
const squaredCvOfDays = 0.02

const unseen = -1

export function emptySeasonMemory(): SeasonMemory {
  const bins = (): number[] => Array.from({ length: binsOfDay }, () => unseen)
  return { weekday: bins(), weekend: bins(), bin: 0, claims: 0, seconds: 0 }
}

/** Changes `memory`. `now` in epoch milliseconds; `elapsedSeconds` were watched before it. */
export function noteSeason(memory: SeasonMemory, now: number, elapsedSeconds: number, claims: number): void {
  const bin = Math.floor(now / 1_000 / binSeconds)
  if (bin === memory.bin) {
    memory.seconds += elapsedSeconds
    memory.claims += claims
    return
  }
  // Of the seconds since the last input, those before the border belong to the bin that ends.
  const inNewBin = Math.min(elapsedSeconds, now / 1_000 - bin * binSeconds)
  memory.seconds += Math.min(elapsedSeconds - inNewBin, binSeconds)
  if (memory.seconds >= binSeconds / 2) learn(memory)
  memory.bin = bin
  memory.seconds = inNewBin
  memory.claims = claims
}

function learn(memory: SeasonMemory): void {
  const bins = isWeekend(memory.bin) ? memory.weekend : memory.weekday
  const index = memory.bin % binsOfDay
  const old = bins[index] ?? unseen
  const seen = memory.claims / memory.seconds
  bins[index] = old === unseen ? seen : old + newestShare * (seen - old)
}

/** 1 January 1970 was a Thursday. */
function isWeekend(bin: number): boolean {
  const day = (Math.floor(bin / binsOfDay) + 4) % 7
  return day === 0 || day === 6
}

export interface SeasonForecast {
  readonly perSecond: number
  /** Of the rate: days differ, and the bin is a count. */
  readonly squaredCv: number
}

/** The busiest bin between now and `aheadSeconds`; undefined if none of them has been seen. */
export function forecastOf(
  memory: SeasonMemory,
  now: number,
  aheadSeconds: number,
): SeasonForecast | undefined {
  const first = Math.floor(now / 1_000 / binSeconds)
  // A day at most: a longer lead time finds the same bins again.
  const last = Math.min(Math.floor((now / 1_000 + aheadSeconds) / binSeconds), first + binsOfDay - 1)
  let most = unseen
  for (let bin = first; bin <= last; bin += 1) most = Math.max(most, rateOf(memory, bin))
  if (most === unseen) return undefined
  return { perSecond: most, squaredCv: squaredCvOfDays + 1 / (effectiveDays * most * binSeconds + 1) }
}

/** A weekend that was never seen is taken for a weekday, and the other way round. */
function rateOf({ weekday, weekend }: SeasonMemory, bin: number): number {
  const index = bin % binsOfDay
  const own = (isWeekend(bin) ? weekend : weekday)[index] ?? unseen
  return own === unseen ? ((isWeekend(bin) ? weekday : weekend)[index] ?? unseen) : own
}
