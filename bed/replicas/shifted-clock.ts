/**
 * Loaded with `--import` before a program: shifts its wall clock by GREENROOM_TEST_CLOCK_MS. Timers and the monotonic
 * clock stay as they are, as on a machine whose clock is wrong.
 */
const offsetMs = Number(process.env.GREENROOM_TEST_CLOCK_MS ?? '0')
const RealDate = Date

class ShiftedDate extends RealDate {
  constructor(...parts: readonly unknown[]) {
    if (parts.length === 0) super(RealDate.now() + offsetMs)
    else super(...(parts as [number]))
  }

  static override now(): number {
    return RealDate.now() + offsetMs
  }
}

globalThis.Date = ShiftedDate as DateConstructor
