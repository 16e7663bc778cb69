import type { SimulationSample } from './simulate-pool.ts'

/** The last whole day of a simulation, by five minutes. */
export interface DayTimeline {
  readonly name: string
  readonly fromSeconds: number
  readonly bins: readonly TimelineBin[]
}

export interface TimelineBin {
  target: number
  ready: number
  misses: number
}

const binSeconds = 300

export interface TimelineRecorder {
  take(sample: SimulationSample): void
  readonly timeline: DayTimeline
}

/** Target and ready pods are the least of each bin, which is what a claim could meet. */
export function createTimelineRecorder(name: string, endSeconds: number): TimelineRecorder {
  const fromSeconds = Math.max(0, Math.floor(endSeconds / 86_400) * 86_400 - 86_400)
  const seconds = Math.min(86_400, Math.max(binSeconds, endSeconds - fromSeconds))
  const bins: TimelineBin[] = Array.from({ length: Math.ceil(seconds / binSeconds) }, () => ({
    target: Number.NaN,
    ready: Number.NaN,
    misses: 0,
  }))
  let waiting = 0
  return {
    take(sample) {
      const more = Math.max(0, sample.waiting - waiting)
      waiting = sample.waiting
      const bin = bins[Math.floor((sample.seconds - fromSeconds) / binSeconds)]
      if (!bin) return
      bin.target = least(bin.target, sample.target)
      bin.ready = least(bin.ready, sample.ready)
      bin.misses += more
    },
    timeline: { name, fromSeconds, bins },
  }
}

function least(before: number, now: number): number {
  return Number.isNaN(before) ? now : Math.min(before, now)
}
