import { type CheckContext, type Finding, failed, ok, warning } from './doctor-check.ts'

/** Why clocks are compared, and what sets one right. */
export const clockMatters =
  'Tokens, certificates and logs carry times; two clocks that differ refuse each other or tell a wrong story.'
export const setClock = 'sudo timedatectl set-ntp true'
/** A Date header has whole seconds. */
export const dateResolutionMs = 1_000

/** Leases go by PostgreSQL's clock alone. Between the others a second is nothing; ten would show in tokens and logs. */
const warnMs = 2_000
const failMs = 10_000

/** One look at another clock. */
interface Reading {
  /** What it showed, since 1970. */
  readonly epochMs: number
  /** By how much it may be off: half of the way there and back, and the clock's own resolution. */
  readonly uncertainMs: number
  readonly aheadMs: number
}

/** Reads another clock; `resolutionMs` is what it leaves out, as a Date header leaves out the milliseconds. */
export async function readClock(
  read: () => Promise<number>,
  { epochMs, monotonicMs }: CheckContext,
  resolutionMs = 0,
): Promise<Reading> {
  const startedAt = monotonicMs()
  const before = epochMs()
  const shown = await read()
  const tookMs = monotonicMs() - startedAt
  const there = shown + resolutionMs / 2
  return { epochMs: shown, uncertainMs: (tookMs + resolutionMs) / 2, aheadMs: there - (before + tookMs / 2) }
}

/** Judges only what is certain: a slow answer is no wrong clock. */
export function judgeClock(whose: string, { aheadMs, uncertainMs }: Reading): Finding {
  const certainMs = Math.max(0, Math.abs(aheadMs) - uncertainMs)
  const seconds = (Math.abs(aheadMs) / 1_000).toFixed(1)
  const detail = `${whose} is ${seconds} s ${aheadMs > 0 ? 'ahead of' : 'behind'} this machine's.`
  if (certainMs >= failMs) return failed(detail)
  if (certainMs >= warnMs) return warning(detail)
  return ok(
    `${whose} and this machine's agree (within ${(Math.ceil(uncertainMs + 1) / 1_000).toFixed(2)} s).`,
  )
}
