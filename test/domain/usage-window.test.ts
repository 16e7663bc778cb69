import t from 'tap'
import { readUsageWindow } from '../../src/domain/usage-window.ts'

const now = Date.UTC(2026, 10, 28, 12)
const read = (from: string, to: string) => readUsageWindow(from, to, now)

void t.test('dates, times with their zone, and ends in the future are windows', (t) => {
  const november = { from: Date.UTC(2026, 10, 1), to: Date.UTC(2026, 11, 1) }
  t.same(read('2026-11-01', '2026-12-01'), { ok: true, window: november })
  t.same(read('2026-11-01T00:00:00Z', '2026-12-01T00:00:00.000z'), { ok: true, window: november })
  t.same(read('2026-11-01T01:00:00+01:00', '2026-11-30T19:00:00-05:00'), { ok: true, window: november })
  t.same(read('2026-11-01t00:00:00.001000Z', '2026-11-01T00:00:00.2Z'), {
    ok: true,
    window: { from: november.from + 1, to: november.from + 200 },
  })
  t.equal(read('2024-02-29', '2024-03-01').ok, true, 'a leap day')
  t.equal(read('2024-01-01', '2025-01-01').ok, true, 'a leap year')
  t.end()
})

void t.test('everything else is refused in words', (t) => {
  const refused: [from: string, to: string, why: RegExp][] = [
    ['2026-11-02', '2026-11-02', /from .* is not before to/],
    ['2026-11-03', '2026-11-02', /from .* is not before to/],
    ['2026-12-01', '2026-12-02', /from .* is in the future; it is 2026-11-28T12:00:00.000Z/],
    ['2025-01-01', '2026-11-01', /longer than 366 days/],
    ['2026-11-01T00:00:00', '2026-11-02', /^from .* is not a date or time with its zone: write 2026-11-01/],
    ['2026-11-01', '2026-11-02 00:00:00Z', /^to .* is not a date or time/],
    ['2026-11-01T00:00:00 Europe/Berlin', '2026-11-02', /is not a date or time with its zone/],
    ['yesterday', 'now', /^from .*; to /],
    ['', '2026-11-02', /is not a date/],
    ['2026-02-29', '2026-11-02', /is not a date/],
    ['2026-13-01', '2026-11-02', /is not a date/],
    ['2026-11-01T24:00:00Z', '2026-11-02', /does not exist/],
    ['2026-11-01T23:59:60Z', '2026-11-02', /does not exist/],
    ['2026-11-01T00:00:00+25:00', '2026-11-02', /does not exist/],
    ['2026-11-01T00:00:00.0001Z', '2026-11-02', /finer than a millisecond/],
    ['1793664000', '2026-11-02', /is not a date/],
    ['0000-01-01', '2026-11-02', /is not a date/],
  ]
  for (const [from, to, why] of refused) {
    const answer = read(from, to)
    t.match(answer, { ok: false }, `${from} to ${to}`)
    if (!answer.ok) t.match(answer.problem, why)
  }
  t.end()
})
