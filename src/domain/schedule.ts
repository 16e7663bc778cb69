import { Cron } from 'croner'
import type { ScheduleSpec, ScheduleWindow } from './schedule-spec.ts'

/**
 * The windows of a pool at one moment. Pure: croner is only ever asked about times that it is given, so that it starts
 * no timer and reads no clock.
 *
 * A window whose local time does not exist on a day (the clocks go forward over it) begins at the first moment after the
 * gap; one whose local time comes twice begins the first time only.
 */

/** What the schedule asks for, and of which window. */
interface ScheduledPods {
  readonly pods: number
  /** `0 8 * * MON-FRI Europe/Berlin`. */
  readonly window: string
}

interface ScheduleView {
  /** undefined outside all windows. */
  readonly scheduled: ScheduledPods | undefined
  /** Epoch ms at which the answer may be another one; undefined without windows. */
  readonly edgeAt: number | undefined
}

export interface Schedule {
  /** `leadMs`: how long before a window begins pods are asked for, so that so many are Ready then. */
  at(now: number, leadMs: (pods: number) => number): ScheduleView
}

const msPerMinute = 60_000

/** The windows of one pool, read once. The spec must have passed {@link scheduleProblems}. */
export function createSchedule(windows: ScheduleSpec): Schedule {
  const starts = windows.map((window) => ({ window, nextStart: rememberedStart(cronOf(window)) }))
  return {
    at(now, leadMs) {
      let scheduled: ScheduledPods | undefined
      let edgeAt: number | undefined
      for (const { window, nextStart } of starts) {
        const durationMs = window.durationMinutes * msPerMinute
        // The first window that is not over yet.
        const start = nextStart(now - durationMs)
        if (start === undefined) continue
        const from = start - leadMs(window.min)
        const edge = now < from ? from : start + durationMs
        edgeAt = Math.min(edgeAt ?? edge, edge)
        if (now >= from && window.min > (scheduled?.pods ?? 0))
          scheduled = { pods: window.min, window: nameOf(window) }
      }
      return { scheduled, edgeAt }
    },
  }
}

/** What is wrong with these windows, each with its place below `schedule`. */
export function scheduleProblems(windows: ScheduleSpec, max: number): string[] {
  return windows.flatMap((window, position) => {
    const problems: string[] = []
    if (window.min > max) problems.push(`min: ${window.min} is more than max (${max})`)
    if (!isTimeZone(window.timeZone))
      problems.push(`timeZone: there is no time zone "${window.timeZone}"; give an IANA name: Europe/Berlin`)
    else {
      const problem = cronProblem(window)
      if (problem) problems.push(`cron: ${problem}`)
    }
    return problems.map((problem) => `/${position}/${problem}`)
  })
}

function nameOf({ cron, timeZone }: ScheduleWindow): string {
  return `${cron} ${timeZone}`
}

/** No list, range or single time is lost in the gap of a change of the clocks, or runs twice; see croner's fixedTimeRule. */
function cronOf({ cron, timeZone }: ScheduleWindow): Cron {
  return new Cron(cron, { timezone: timeZone, mode: '5-part', fixedTimeRule: 'no-wildcard', paused: true })
}

/** The first start after a time. Between one start and the next the answer is the same, so croner is asked once. */
function rememberedStart(cron: Cron): (after: number) => number | undefined {
  let asked: { readonly after: number; readonly start: number } | undefined
  return (after) => {
    if (asked && after >= asked.after && after < asked.start) return asked.start
    const start = cron.nextRun(new Date(after))?.getTime()
    asked = start === undefined ? undefined : { after, start }
    return start
  }
}

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name })
    return true
  } catch {
    // RangeError is the answer.
    return false
  }
}

function cronProblem(window: ScheduleWindow): string | undefined {
  const fields = window.cron.trim().split(/\s+/)
  // croner would also take a single date.
  if (fields.length !== 5 && !window.cron.startsWith('@'))
    return `"${window.cron}" has ${fields.length} fields; it has five: minute hour day-of-month month day-of-week`
  try {
    if (cronOf(window).nextRun(new Date(0))) return undefined
    return `"${window.cron}" never fires: there is no such date`
  } catch (error) {
    return `"${window.cron}" cannot be read: ${error instanceof Error ? plain(error.message) : String(error)}`
  }
}

function plain(message: string): string {
  return message.replace(/^Cron\w+: /, '')
}
