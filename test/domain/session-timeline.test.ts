import t from 'tap'
import { type SessionCourse, timelineOf } from '../../src/domain/session-timeline.ts'

const at = Date.UTC(2026, 0, 1)
const time = (ms: number) => new Date(at + ms).toISOString()
const course: SessionCourse = {
  activate: undefined,
  createdAt: at,
  activeAt: undefined,
  agentJoinedAt: undefined,
  participantJoinedAt: undefined,
  renewals: 0,
  renewedAt: undefined,
  endingAt: undefined,
  endedAt: undefined,
  endReason: undefined,
  endDetail: undefined,
}

void t.test('the whole course, in order', async (t) => {
  const { steps } = timelineOf({
    ...course,
    wait: 500,
    reserve: 1.2345,
    commit: 4,
    deliver: 10,
    activate: 1,
    activeAt: at + 1_000,
    agentJoinedAt: at + 1_200,
    participantJoinedAt: at + 1_100,
    renewals: 3,
    renewedAt: at + 61_000,
    endingAt: at + 70_000,
    endedAt: at + 72_500,
    endReason: 'ended:agent',
    endDetail: 'said goodbye',
  })
  t.strictSame(JSON.parse(JSON.stringify(steps)), [
    { step: 'waited', at: time(983), ms: 500 },
    { step: 'reserved', at: time(985), ms: 1.23 },
    { step: 'committed', at: time(989), ms: 4 },
    { step: 'delivered', at: time(999), ms: 10 },
    { step: 'activated', at: time(1_000), ms: 1 },
    { step: 'participant-joined', at: time(1_100), ms: 100 },
    { step: 'agent-joined', at: time(1_200), ms: 200 },
    { step: 'renewed', at: time(61_000), count: 3 },
    { step: 'ending', at: time(70_000), detail: 'ended:agent: said goodbye' },
    { step: 'ended', at: time(72_500), ms: 2_500, detail: 'ended:agent: said goodbye' },
  ])
})

void t.test('what is not known is left out', async (t) => {
  t.strictSame(JSON.parse(JSON.stringify(timelineOf(course))), {
    steps: [{ step: 'committed', at: time(0) }],
  })
  const old = timelineOf({ ...course, activeAt: at + 20, renewals: 0, renewedAt: at + 30 })
  t.strictSame(
    JSON.parse(JSON.stringify(old)),
    {
      steps: [
        { step: 'committed', at: time(0) },
        { step: 'activated', at: time(20) },
      ],
    },
    'an older version opened it',
  )
  const failed = timelineOf({ ...course, endingAt: at + 9, endedAt: at + 9, endReason: 'failed:pool-empty' })
  t.same(
    failed.steps.map(({ step }) => step),
    ['committed', 'ending', 'ended'],
  )
})
