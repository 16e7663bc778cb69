import { type LeadMemory, shareStillStarting } from './lead-times.ts'

/** Pods that were added because the target had grown, and are not yet Ready. */
export interface GrowthUnderWay {
  /** [epoch milliseconds, pods], oldest first. */
  readonly steps: [number, number][]
}

/** Steps within one second are one; after 32 the two oldest are. */
const mostSteps = 32

export function emptyGrowth(): GrowthUnderWay {
  return { steps: [] }
}

/** Changes `growth`. */
export function noteGrowth({ steps }: GrowthUnderWay, now: number, pods: number): void {
  const last = steps.at(-1)
  if (last && now - last[0] < 1_000) last[1] += pods
  else steps.push([now, pods])
  const [first, second] = steps
  if (first && second && steps.length > mostSteps) {
    second[1] += first[1]
    steps.shift()
  }
}

/** Changes `growth`: steps older than the longest start are forgotten. */
export function growthStillStarting(
  { steps }: GrowthUnderWay,
  now: number,
  leads: LeadMemory,
  longestSeconds: number,
): number {
  while (steps[0] && (now - steps[0][0] > longestSeconds * 1_000 || steps[0][0] > now)) steps.shift()
  return steps.reduce((sum, [at, pods]) => sum + pods * shareStillStarting(leads, (now - at) / 1_000), 0)
}
