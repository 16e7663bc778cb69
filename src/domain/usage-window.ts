import type { UsageWindow } from './pod-life.ts'

/** A window of a usage report, or why it is none. */
export type ReadWindow =
  | { readonly ok: true; readonly window: UsageWindow }
  | { readonly ok: false; readonly problem: string }

/** Longer than any year. */
const longestDays = 366
const dayMs = 86_400_000

/** Reads `from` and `to` of a report. `now` is epoch ms; the window may end after it, but not begin. */
export function readUsageWindow(from: string, to: string, now: number): ReadWindow {
  const problems: string[] = []
  const read = (name: string, text: string): number => {
    const time = readTime(text)
    if (typeof time === 'number') return time
    problems.push(`${name} ${time}`)
    return Number.NaN
  }
  const window = { from: read('from', from), to: read('to', to) }
  if (problems.length > 0) return { ok: false, problem: problems.join('; ') }
  if (window.from >= window.to) return { ok: false, problem: `from (${from}) is not before to (${to})` }
  if (window.from >= now)
    return { ok: false, problem: `from (${from}) is in the future; it is ${new Date(now).toISOString()}` }
  if (window.to - window.from > longestDays * dayMs)
    return { ok: false, problem: `the window is longer than ${longestDays} days` }
  return { ok: true, window }
}

const datePattern = /^(\d{4})-(\d{2})-(\d{2})$/
const timePattern = /^(\d{4}-\d{2}-\d{2})[Tt](\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?([Zz]|[+-]\d{2}:\d{2})$/

/** Epoch ms of an RFC 3339 time or of a date (its midnight in UTC), or what is wrong with it. */
function readTime(text: string): number | string {
  const shown = JSON.stringify(text.slice(0, 40))
  const wanted = 'write 2026-11-01 (midnight UTC), 2026-11-01T09:00:00Z or 2026-11-01T09:00:00+01:00'
  const [, date = text, hour = '00', minute = '00', second = '00', fraction = '', zone = 'Z'] =
    timePattern.exec(text) ?? []
  const day = dayOf(date)
  if (day === undefined) return `(${shown}) is not a date or time with its zone: ${wanted}`
  const [hours, minutes, seconds] = [hour, minute, second].map(Number) as [number, number, number]
  const offset = offsetOf(zone)
  if (hours > 23 || minutes > 59 || seconds > 59 || offset === undefined)
    return `(${shown}) does not exist: ${wanted}`
  if (/[1-9]/.test(fraction.slice(3))) return `(${shown}) is finer than a millisecond`
  const ms = Number(fraction.slice(0, 3).padEnd(3, '0'))
  return day + ((hours * 60 + minutes - offset) * 60 + seconds) * 1_000 + ms
}

/** Epoch ms; undefined for a day that no calendar has, which Date would take for one of the next month. */
function dayOf(text: string): number | undefined {
  const [, year, month, day] = (datePattern.exec(text) ?? []).map(Number)
  if (year === undefined || month === undefined || day === undefined || year < 1970) return undefined
  const time = new Date(Date.UTC(year, month - 1, day))
  return time.getUTCMonth() === month - 1 && time.getUTCDate() === day ? time.getTime() : undefined
}

/** Minutes east of UTC. */
function offsetOf(zone: string): number | undefined {
  if (zone === 'Z' || zone === 'z') return 0
  const [hours = 99, minutes = 99] = zone.slice(1).split(':').map(Number)
  if (hours > 23 || minutes > 59) return undefined
  return (zone.startsWith('-') ? -1 : 1) * (hours * 60 + minutes)
}
