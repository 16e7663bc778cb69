import type { ComparedLoad, SizingOutcome } from './compare-sizings.ts'
import { createSeededDraws } from './seeded-draws.ts'

/** What was simulated, and what to doubt, a sentence each. */
export function loadFacts(
  load: ComparedLoad,
  { goal, startsText }: { readonly goal: number; readonly startsText: string },
  assumptions: readonly string[],
  outcomes: readonly SizingOutcome[],
): readonly string[] {
  const { claimTimes } = load
  const seconds = Math.max(1, claimTimes.at(-1) ?? 0)
  const lead = meanStart(load)
  const rate = claimTimes.length / seconds
  const counted = outcomes[0]?.claims ?? 0
  const facts = [
    ...assumptions,
    `${claimTimes.length} claims in ${spanOf(seconds)}: ${figure(rate)}/s on average, ${figure(peakRate(claimTimes))}/s in the busiest five minutes.`,
    `Pods start in ${startsText}: ${figure(lead)} s on average, so ${figure(rate * lead)} are under way on average.`,
  ]
  if (load.countedFrom > 0) facts.push(`The first ${spanOf(load.countedFrom)} are played and not counted.`)
  // Three allowed misses are the fewest that tell a kept goal from a missed one.
  if (counted * (1 - goal) < 3)
    facts.push(
      `${counted} claims are too few to tell whether ${figure(goal * 100)} % is kept: look at the intervals.`,
    )
  return facts
}

/** Enough for two digits. */
const startsTried = 10_000

function meanStart({ starts, seed }: ComparedLoad): number {
  const next = starts(createSeededDraws(seed))
  let sum = 0
  for (let start = 0; start < startsTried; start += 1) sum += next()
  return sum / startsTried
}

function peakRate(times: Float64Array): number {
  const bins = new Map<number, number>()
  for (const time of times) {
    const bin = Math.floor(time / 300)
    bins.set(bin, (bins.get(bin) ?? 0) + 1)
  }
  let most = 0
  for (const count of bins.values()) most = Math.max(most, count)
  return most / 300
}

function spanOf(seconds: number): string {
  if (seconds < 7_200) return `${figure(seconds / 60)} minutes`
  return seconds < 172_800 ? `${figure(seconds / 3_600)} hours` : `${figure(seconds / 86_400)} days`
}

function figure(value: number): string {
  return Number(value.toPrecision(3)).toString()
}
