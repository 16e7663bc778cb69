import t from 'tap'
import { createSchedule, scheduleProblems } from '../../src/domain/schedule.ts'
import type { ScheduleWindow } from '../../src/domain/schedule-spec.ts'

const window = (changes: Partial<ScheduleWindow> = {}): ScheduleWindow => ({
  cron: '0 8 * * MON-FRI',
  durationMinutes: 120,
  timeZone: 'Europe/Berlin',
  min: 12,
  ...changes,
})
const noLead = () => 0
const at = (
  schedule: ReturnType<typeof createSchedule>,
  time: string,
  leadMs: (pods: number) => number = noLead,
) => schedule.at(Date.parse(time), leadMs)
const pods = (windows: ScheduleWindow[], time: string, leadMs?: (pods: number) => number) =>
  at(createSchedule(windows), time, leadMs).scheduled?.pods ?? 0

void t.test('a window holds from its first millisecond to before its last', async (t) => {
  // 2026-01-05 is a Monday; Berlin is one hour ahead of UTC.
  const table: [string, number][] = [
    ['2026-01-05T06:59:59.999Z', 0],
    ['2026-01-05T07:00:00.000Z', 12],
    ['2026-01-05T08:59:59.999Z', 12],
    ['2026-01-05T09:00:00.000Z', 0],
    ['2026-01-04T08:00:00.000Z', 0],
  ]
  for (const [time, expected] of table) t.equal(pods([window()], time), expected, time)
  t.equal(
    at(createSchedule([window()]), '2026-01-05T07:30:00Z').scheduled?.window,
    '0 8 * * MON-FRI Europe/Berlin',
  )
  t.same(at(createSchedule([]), '2026-01-05T07:30:00Z'), { scheduled: undefined, edgeAt: undefined })
})

void t.test('pods are asked for one lead time before, which grows with their number', async (t) => {
  const lead = (count: number) => count * 10_000
  t.equal(pods([window()], '2026-01-05T06:57:59.999Z', lead), 0)
  t.equal(pods([window()], '2026-01-05T06:58:00.000Z', lead), 12)
  t.equal(pods([window()], '2026-01-05T09:00:00.000Z', lead), 0, 'the lead moves no end')
})

void t.test('the next edge is told, so that nothing has to poll', async (t) => {
  const schedule = createSchedule([window()])
  const edge = (time: string) => new Date(at(schedule, time, () => 60_000).edgeAt ?? 0).toISOString()
  t.equal(edge('2026-01-05T00:00:00Z'), '2026-01-05T06:59:00.000Z')
  t.equal(edge('2026-01-05T06:59:00Z'), '2026-01-05T09:00:00.000Z')
  t.equal(edge('2026-01-05T09:00:00Z'), '2026-01-06T06:59:00.000Z')
  t.equal(edge('2026-01-05T00:00:00Z'), '2026-01-05T06:59:00.000Z', 'also when the clock went back')
})

void t.test('of windows that overlap the largest holds, whatever their order', async (t) => {
  const wide = window({ cron: '0 6 * * *', durationMinutes: 600, min: 4 })
  for (const windows of [
    [wide, window()],
    [window(), wide],
  ]) {
    t.equal(pods(windows, '2026-01-05T06:00:00Z'), 4)
    t.equal(pods(windows, '2026-01-05T08:00:00Z'), 12)
    t.equal(pods(windows, '2026-01-05T10:00:00Z'), 4)
    t.equal(pods(windows, '2026-01-05T15:00:00Z'), 0)
  }
})

void t.test('a window that begins again before it ends does not end', async (t) => {
  const always = [window({ cron: '*/10 * * * *', durationMinutes: 11 })]
  for (let minute = 0; minute < 40; minute += 1)
    t.equal(pods(always, new Date(Date.UTC(2026, 0, 5, 3, minute, 30)).toISOString()), 12)
})

void t.test('where the clocks go forward, a time that does not exist begins after the gap', async (t) => {
  const night = [window({ cron: '30 2 * * *', durationMinutes: 60 })]
  t.equal(pods(night, '2026-03-29T00:59:59Z'), 0, '01:59:59')
  t.equal(pods(night, '2026-03-29T01:00:00Z'), 12, '03:00:00')
  t.equal(pods(night, '2026-03-29T01:59:59Z'), 12)
  t.equal(pods(night, '2026-03-29T02:00:00Z'), 0)
  const list = [window({ cron: '0,30 2 * * *', durationMinutes: 10 })]
  t.equal(pods(list, '2026-03-29T01:05:00Z'), 12, 'nor is a list of times lost')
})

void t.test('where the clocks go back, a time that comes twice begins once, the first time', async (t) => {
  const night = [window({ cron: '30 2 * * *', durationMinutes: 20 })]
  t.equal(pods(night, '2026-10-25T00:30:00Z'), 12, '02:30 in summer time')
  t.equal(pods(night, '2026-10-25T01:30:00Z'), 0, '02:30 once more')
  t.equal(pods(night, '2026-10-26T01:30:00Z'), 12)
})

void t.test('a duration is real minutes, also across a change of the clocks', async (t) => {
  const night = [window({ cron: '0 1 * * *', durationMinutes: 180 })]
  t.equal(pods(night, '2026-03-29T02:59:59Z'), 12, 'from 01:00 to 05:00 on the clock')
  t.equal(pods(night, '2026-03-29T03:00:00Z'), 0)
  t.equal(pods(night, '2026-10-25T01:59:59Z'), 12, 'from 01:00 to 03:00 on the clock')
  t.equal(pods(night, '2026-10-25T02:00:00Z'), 0)
})

void t.test('a window is as croner says, at any time of two years', async (t) => {
  const spec = window({ cron: '15 9 L * *', durationMinutes: 1_440, timeZone: 'America/New_York' })
  const schedule = createSchedule([spec])
  let inside = 0
  for (let time = Date.UTC(2026, 0, 1); time < Date.UTC(2028, 0, 1); time += 3_600_000) {
    const fresh = createSchedule([spec]).at(time, noLead)
    if (schedule.at(time, noLead).scheduled?.pods !== fresh.scheduled?.pods)
      t.fail(new Date(time).toISOString())
    if (fresh.scheduled) inside += 1
  }
  t.equal(inside, 24 * 24, 'the last day of each of 24 months')
})

void t.test('what cannot be meant is refused with its place and reason', async (t) => {
  const table: [Partial<ScheduleWindow>, RegExp][] = [
    [{ cron: '* * * * * *' }, /^\/0\/cron: "\* \* \* \* \* \*" has 6 fields; it has five: minute hour/],
    [{ cron: '0 0 30 2 *' }, /^\/0\/cron: "0 0 30 2 \*" never fires: there is no such date$/],
    [{ cron: '61 9 * * *' }, /^\/0\/cron: "61 9 \* \* \*" cannot be read: Invalid value for minute: 61$/],
    [{ cron: 'soon' }, /^\/0\/cron: "soon" has 1 fields/],
    [{ cron: '@reboot' }, /^\/0\/cron: "@reboot" cannot be read/],
    [{ cron: '2026-12-01T09:00:00' }, /^\/0\/cron: "2026-12-01T09:00:00" has 1 fields/],
    [
      { timeZone: 'Mars/Olympus' },
      /^\/0\/timeZone: there is no time zone "Mars\/Olympus"; give an IANA name/,
    ],
    [{ timeZone: 'Local' }, /^\/0\/timeZone: there is no time zone "Local"/],
    [{ min: 21 }, /^\/0\/min: 21 is more than max \(20\)$/],
  ]
  for (const [changes, expected] of table) {
    const problems = scheduleProblems([window(changes)], 20)
    t.equal(problems.length, 1, JSON.stringify(problems))
    t.match(problems[0], expected)
  }
  for (const cron of ['0 0 29 2 *', '@daily', '*/5 8-18 * * 1-5', '0 9 * * MON#1', '0 9 LW * *'])
    t.same(scheduleProblems([window({ cron })], 20), [], cron)
  t.match(scheduleProblems([window(), window({ min: 21 })], 20), [/^\/1\/min/])
})
