import { build, setText } from './build-element.ts'

const clock = new Intl.DateTimeFormat(undefined, {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hourCycle: 'h23',
})
const day = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' })

/** 14:03:27 today, else 28 Nov 14:03:27; in the reader's own time zone. */
export function momentText(at: number): string {
  const when = new Date(at)
  const isToday = when.toDateString() === new Date().toDateString()
  return isToday ? clock.format(when) : `${day.format(when)} ${clock.format(when)}`
}

/** `<time>` with the moment for reading and RFC 3339 in UTC on hover. */
export function momentElement(rfc3339: string | undefined): HTMLTimeElement {
  const element = build('time')
  showMoment(element, rfc3339)
  return element
}

export function showMoment(element: HTMLTimeElement, rfc3339: string | undefined): void {
  const at = rfc3339 === undefined ? Number.NaN : Date.parse(rfc3339)
  setText(element, Number.isNaN(at) ? '–' : momentText(at))
  if (Number.isNaN(at)) return
  const utc = new Date(at).toISOString()
  if (element.dateTime === utc) return
  element.dateTime = utc
  element.title = utc
}

const units = [
  { ms: 86_400_000, name: 'd' },
  { ms: 3_600_000, name: 'h' },
  { ms: 60_000, name: 'min' },
  { ms: 1_000, name: 's' },
] as const

/** The two largest units: "2 h 5 min"; below ten seconds with tenths, below one in milliseconds. */
export function spanText(ms: number): string {
  if (!Number.isFinite(ms) || ms < 0) return '–'
  if (ms < 1_000) return `${ms < 10 ? Math.round(ms * 100) / 100 : Math.round(ms)} ms`
  if (ms < 10_000) return `${(ms / 1_000).toFixed(1)} s`
  const first = units.findIndex((unit) => ms >= unit.ms)
  const large = units[first]
  const small = units[first + 1]
  if (!large) return '–'
  if (!small) return `${Math.round(ms / large.ms)} ${large.name}`
  const whole = Math.floor(ms / large.ms)
  const rest = Math.floor((ms - whole * large.ms) / small.ms)
  // Of half an hour nobody wants the seconds.
  return rest === 0 || (small.name === 's' && whole >= 10)
    ? `${whole} ${large.name}`
    : `${whole} ${large.name} ${rest} ${small.name}`
}
