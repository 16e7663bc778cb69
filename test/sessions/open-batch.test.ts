import t from 'tap'
import { until } from '../../bed/processes/until.ts'
import { areServed, leftBehind, newKey, openAll, openAvailable, requestsOf } from './open-batch-bed.ts'
import { agentType, poolsOf } from './open-bed.ts'
import { startOpenServers } from './open-session-bed.ts'

const { startBed } = await startOpenServers(t)

void t.test(
  'all of a batch are opened, each on a pod of its own, by one reservation and one claim',
  async (t) => {
    const bed = await startBed(t, 12)
    const answers = await openAll(bed.api, requestsOf(10))
    t.equal(answers.length, 10)
    t.ok(answers.every(({ session, replayed }) => session.status === 'ACTIVE' && !replayed))
    areServed(
      t,
      bed,
      answers.map(({ session }) => session),
    )
    await until('reservations are settled', async () => (await leftBehind(bed)).reserved === 0)
    t.match(await leftBehind(bed), { claimed: 10, retired: 0, free: 2, statuses: { ACTIVE: 10 } })
    const { values } = await bed.api.metrics.openSeconds.get()
    const opened = values.find(
      ({ metricName, labels }) => metricName?.endsWith('_count') && labels.outcome === 'opened',
    )
    t.equal(opened?.value, 10, 'each counts as an open')
  },
)

void t.test(
  'with fewer pods than sessions none is opened, and nothing stays claimed or reserved',
  async (t) => {
    const bed = await startBed(t, 9)
    await t.rejects(openAll(bed.api, requestsOf(10)), {
      code: 'GRN_POOL_EMPTY',
      message: /10 pods of echo-agent were not free at once/,
      retryAfterMs: Number,
    })
    t.same(await leftBehind(bed), { claimed: 0, retired: 0, reserved: 0, free: 9, statuses: {} })
    t.ok(
      bed.agents.all().every(({ assignments }) => assignments.length === 0),
      'no pod has heard of it',
    )
    t.equal((await openAll(bed.api, requestsOf(9))).length, 9, 'a smaller one finds them all')
  },
)
void t.test('as many as there are: the others are refused, each for itself', async (t) => {
  const bed = await startBed(t, 7)
  const results = await openAvailable(bed.api, requestsOf(10))
  const opened = results.flatMap((result) => ('answer' in result ? [result.answer.session] : []))
  const refused = results.flatMap((result) => ('refusal' in result ? [result.refusal.code] : []))
  t.equal(opened.length, 7)
  t.same(
    refused,
    Array.from({ length: 3 }, () => 'GRN_POOL_EMPTY'),
  )
  areServed(t, bed, opened)
})
