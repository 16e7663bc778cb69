import t from 'tap'
import { until } from '../../bed/processes/until.ts'
import { GreenroomError } from '../../src/errors.ts'
import { readyPod } from '../support/fake-pod-view.ts'
import { notePods } from '../support/noted-pods.ts'
import { areServed, leftBehind, newKey, openAll, openAvailable, requestsOf } from './open-batch-bed.ts'
import { agentType, poolsOf } from './open-bed.ts'
import { startOpenServers } from './open-session-bed.ts'

/** Several sessions in one request, over real stores and agents. */

const { startBed } = await startOpenServers(t)

void t.test('all are opened, each on a pod of its own, and each counts as an open', async (t) => {
  const bed = await startBed(t, 12)
  const answers = await openAll(bed.api, requestsOf(10))
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
  t.equal(opened?.value, 10)
})

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
    t.same(bed.api.published, [{ kind: 'missed', agentType }], 'the controller hears of it once')
    t.equal((await openAll(bed.api, requestsOf(9))).length, 9)
  },
)

void t.test('agent types mix; when one pool has too few, the slots of the other go back', async (t) => {
  const pools = poolsOf(
    `pools: {${agentType}: {template: {image: e}, min: 1, max: 9}, tutor: {template: {image: t}, min: 1, max: 9}}`,
  )
  const bed = await startBed(t, 4, { pools })
  const { ip } = bed.agents.agent('pod-3')
  bed.agents.pods.set(readyPod({ uid: 'pod-3', ip, agentType: 'tutor' }))
  await bed.postgres.durable.query(`DELETE FROM pool_pods WHERE pod_uid = 'pod-3'`)
  await notePods(bed.postgres, ['pod-3'], { agentType: 'tutor' })
  await bed.index.rebuild(agentType, bed.agents.slots().slice(0, 3))
  await bed.index.rebuild('tutor', [{ podUid: 'pod-3', rank: 0 }])
  const team = (tutors: number) => [...requestsOf(2), ...requestsOf(tutors, { agentType: 'tutor' })]
  await t.rejects(openAll(bed.api, team(2)), { code: 'GRN_POOL_EMPTY', message: /2 pods of tutor/ })
  t.match(await leftBehind(bed), { claimed: 0, reserved: 0, free: 3, statuses: {} })
  const answers = await openAll(bed.api, team(1))
  t.same(
    answers.map(({ session }) => session.agentType),
    [agentType, agentType, 'tutor'],
  )
  areServed(
    t,
    bed,
    answers.map(({ session }) => session),
  )
})

void t.test('a pod that refuses costs its session an attempt, and the others wait for it', async (t) => {
  const bed = await startBed(t, 8, { poolSize: 200 })
  bed.moods('refuse', 'accept', 'mute')
  const opening = openAll(bed.api, requestsOf(5))
  await until('two have acknowledged', () => bed.agents.all().filter(({ serving }) => serving).length >= 4)
  t.match((await leftBehind(bed)).statuses, { PENDING: 5 }, 'none is ACTIVE before all are')
  const answers = await opening
  t.same(answers.map(({ session }) => String(session.epoch)).sort(), ['1', '1', '1', '2', '2'])
  areServed(
    t,
    bed,
    answers.map(({ session }) => session),
  )
  t.match(await leftBehind(bed), { claimed: 5, retired: 2, statuses: { ACTIVE: 5 } })
})

void t.test('when one finds no pod none is opened; its key tries all of them again', async (t) => {
  const bed = await startBed(t, 9, { poolSize: 400 })
  bed.moods('accept', 'accept', 'accept', 'refuse')
  for (const uid of ['pod-4', 'pod-5', 'pod-6']) bed.agents.agent(uid).mood = 'refuse'
  const idempotencyKey = newKey()
  await t.rejects(openAll(bed.api, requestsOf(4), { idempotencyKey }), {
    code: 'GRN_DELIVERY_FAILED',
    message: /^No session was opened, because of sessions\/3 of 4: /,
  })
  const left = await leftBehind(bed)
  t.match(left.statuses, { 'ENDED failed:batch': 3, 'ENDED failed:delivery': 1 })
  t.match(left, { claimed: 0, retired: 6 }, 'pods that have heard of a session serve no other')
  for (const agent of bed.agents.all()) agent.mood = 'accept'
  await bed.index.rebuild(
    agentType,
    ['pod-6', 'pod-7', 'pod-8'].map((podUid, rank) => ({ podUid, rank })),
  )
  await t.rejects(openAll(bed.api, requestsOf(4), { idempotencyKey }), { code: 'GRN_POOL_EMPTY' })
  const answers = await openAll(bed.api, requestsOf(3), { idempotencyKey: newKey() })
  areServed(
    t,
    bed,
    answers.map(({ session }) => session),
  )
})

void t.test('a failed batch starts again under its key, with higher epochs', async (t) => {
  const bed = await startBed(t, 9, { poolSize: 400 })
  for (const uid of ['pod-1', 'pod-2', 'pod-3']) bed.agents.agent(uid).mood = 'refuse'
  const idempotencyKey = newKey()
  await t.rejects(openAll(bed.api, requestsOf(2), { idempotencyKey }), { code: 'GRN_DELIVERY_FAILED' })
  const answers = await openAll(bed.api, requestsOf(2), { idempotencyKey })
  t.same(answers.map(({ session, replayed }) => `${session.epoch} ${replayed}`).sort(), [
    '2 false',
    '4 false',
  ])
  areServed(
    t,
    bed,
    answers.map(({ session }) => session),
  )
  t.match((await leftBehind(bed)).statuses, { ACTIVE: 2 })
})

void t.test('a key means the same sessions: later, at once, and at another replica', async (t) => {
  const bed = await startBed(t, 12)
  const other = await bed.replica({ name: 'api-2' })
  const idempotencyKey = newKey()
  const asked = [bed.api, other, bed.api, other].map((replica) =>
    openAll(replica, requestsOf(5), { idempotencyKey }),
  )
  const all = [...(await Promise.all(asked)), await openAll(other, requestsOf(5), { idempotencyKey })]
  const [first = []] = all.map((answers) => answers.map(({ session }) => session))
  for (const answers of all)
    t.same(
      answers.map(({ session }) => [session.id, session.pod?.uid, session.status]),
      first.map(({ id, pod }) => [id, pod?.uid, 'ACTIVE']),
    )
  areServed(t, bed, first)
  t.match(await leftBehind(bed), { claimed: 5, retired: 0, statuses: { ACTIVE: 5 } })
  for (const [requests, why] of [
    [requestsOf(4), 'another number'],
    [requestsOf(5, { metadata: { other: 1 } }), 'another body'],
  ] as const)
    await t.rejects(openAll(other, requests, { idempotencyKey }), { code: 'GRN_IDEMPOTENCY_MISMATCH' }, why)
  const [result] = await openAvailable(other, requestsOf(5), { idempotencyKey })
  t.match(result, { refusal: { code: 'GRN_IDEMPOTENCY_MISMATCH' } }, 'one that is not atomic')
  t.notOk(
    first.some(({ id }) => id === ''),
    'ids are there',
  )
  const single = await bed.api.open({}, { idempotencyKey })
  t.notOk(
    first.some(({ id }) => id === single.session.id),
    'a single open under it is another session',
  )
})

void t.test('a batch that a dead replica left PENDING is followed by its key', async (t) => {
  const bed = await startBed(t, 6)
  const dying = await bed.replica({
    name: 'api-dying',
    sessions: {
      ...bed.sessions,
      activate: () => Promise.reject(new GreenroomError('GRN_DATABASE_UNAVAILABLE')),
    },
  })
  const idempotencyKey = newKey()
  await t.rejects(openAll(dying, requestsOf(4), { idempotencyKey }), { code: 'GRN_DATABASE_UNAVAILABLE' })
  t.match((await leftBehind(bed)).statuses, { PENDING: 4 }, 'what nobody knows is not ended')
  const answers = await openAll(bed.api, requestsOf(4), { idempotencyKey })
  t.ok(answers.every(({ session, replayed }) => session.status === 'ACTIVE' && replayed))
  areServed(
    t,
    bed,
    answers.map(({ session }) => session),
  )
})

void t.test(
  'a pod is taken by another at that moment, and none is left: the other claims are undone',
  async (t) => {
    const bed = await startBed(t, 3)
    const replica = await bed.replica({
      sessions: {
        ...bed.sessions,
        async commitTogether(records) {
          const outcomes = await bed.sessions.commitTogether(records.slice(0, -1))
          return [...outcomes, { kind: 'pod-taken' }]
        },
      },
    })
    await t.rejects(openAll(replica, requestsOf(3)), { code: 'GRN_POOL_EMPTY' })
    t.match(await leftBehind(bed), { claimed: 0, retired: 0, statuses: { 'ENDED failed:batch': 2 } })
    t.ok(bed.agents.all().every(({ assignments }) => assignments.length === 0))
  },
)

void t.test('a batch that waits holds nothing, and single opens are served before it', async (t) => {
  const bed = await startBed(t, 4)
  await bed.index.rebuild(agentType, bed.agents.slots().slice(0, 2))
  const waiting = openAll(bed.api, requestsOf(3, { onEmpty: 'wait', waitMs: 20_000 }))
  await until('it has found too few', () => bed.api.published.some(({ kind }) => kind === 'missed'))
  t.match(await leftBehind(bed), { claimed: 0, reserved: 0, free: 2 })
  t.equal((await bed.api.open()).session.status, 'ACTIVE', 'a single open takes what there is')
  await bed.index.add(agentType, bed.agents.slots().slice(2))
  const answers = await waiting
  areServed(
    t,
    bed,
    answers.map(({ session }) => session),
  )
  t.ok(
    answers.every(({ stagesMs }) => (stagesMs.wait ?? 0) > 0),
    'and tells that it waited',
  )
})

void t.test('a batch waits no longer than the most impatient of its sessions, or its caller', async (t) => {
  const bed = await startBed(t, 1)
  const impatient = [...requestsOf(1, { onEmpty: 'wait', waitMs: 60_000 }), ...requestsOf(1)]
  await t.rejects(openAll(bed.api, impatient), { code: 'GRN_POOL_EMPTY' })
  const caller = new AbortController()
  const waiting = openAll(bed.api, requestsOf(2, { onEmpty: 'wait', waitMs: 60_000 }), {
    signal: caller.signal,
  })
  setTimeout(() => caller.abort(), 50)
  await t.rejects(waiting, { code: 'GRN_POOL_EMPTY' })
  t.match(await leftBehind(bed), { claimed: 0, reserved: 0, free: 1 })
})

void t.test('what no schema says refuses the whole batch, and names its place', async (t) => {
  const bed = await startBed(t, 4)
  const [good] = requestsOf(1)
  for (const [bad, code] of [
    [{ agentType: 'constructor' }, 'GRN_UNKNOWN_AGENT_TYPE'],
    [{ agentType, participant: { identity: 'agent-x' } }, 'GRN_INVALID_REQUEST'],
    [{ agentType, onEmpty: 'cold' }, 'GRN_INVALID_REQUEST'],
  ] as const)
    await t.rejects(openAll(bed.api, [...(good ? [good] : []), bad]), { code, message: /sessions\/1 of 2/ })
  t.match(await leftBehind(bed), { claimed: 0, reserved: 0, statuses: {} })
  const { values } = await bed.api.metrics.openSeconds.get()
  t.notOk(values.some(({ labels }) => labels.agent_type === 'constructor'))
})

void t.test('as many as there are: the others are refused, each for itself', async (t) => {
  const bed = await startBed(t, 7)
  const idempotencyKey = newKey()
  const sessionsOf = (results: Awaited<ReturnType<typeof openAvailable>>) =>
    results.flatMap((result) => ('answer' in result ? [result.answer.session] : []))
  const results = await openAvailable(bed.api, requestsOf(10), { idempotencyKey })
  const opened = sessionsOf(results)
  t.equal(opened.length, 7)
  t.same(
    results.flatMap((result) => ('refusal' in result ? [result.refusal.code] : [])),
    ['GRN_POOL_EMPTY', 'GRN_POOL_EMPTY', 'GRN_POOL_EMPTY'],
  )
  areServed(t, bed, opened)
  const again = sessionsOf(await openAvailable(bed.api, requestsOf(10), { idempotencyKey }))
  t.same(
    again.map(({ id }) => id),
    opened.map(({ id }) => id),
  )
  const mixed = await openAvailable(bed.api, [{ agentType: 'none' }, ...requestsOf(1)])
  t.match(mixed, [{ refusal: { code: 'GRN_UNKNOWN_AGENT_TYPE' } }, { refusal: { code: 'GRN_POOL_EMPTY' } }])
})

void t.test('who asks once waits behind few sessions of a batch, not behind all of them', async (t) => {
  const bed = await startBed(t, 10)
  await bed.index.rebuild(agentType, [])
  const served: string[] = []
  const batch = openAvailable(bed.api, requestsOf(9, { onEmpty: 'wait', waitMs: 30_000 })).then((results) => {
    served.push('batch')
    return results
  })
  await until('the batch waits', async () => (await bed.index.waiting(agentType)) === 9)
  const single = bed.api.open({ onEmpty: 'wait', waitMs: 30_000 }, { headStartMs: 0 }).then((answer) => {
    served.push('single')
    return answer
  })
  await until('all wait', async () => (await bed.index.waiting(agentType)) === 10)
  const places = await bed.redis.zrange(`greenroom:{${agentType}}:waiters`, '0', '-1')
  await bed.index.add(agentType, bed.agents.slots().slice(0, 9))
  bed.api.tellIndexed()
  const { session } = await single
  t.ok(places.indexOf(session.id) < 9, 'not the last')
  await bed.index.add(agentType, bed.agents.slots().slice(9))
  bed.api.tellIndexed()
  t.ok((await batch).every((result) => 'answer' in result))
  t.same(served, ['single', 'batch'])
})

void t.test('without Redis the informer shows the pods: all of them or none', async (t) => {
  const bed = await startBed(t, 6)
  bed.redis.disconnect()
  await t.rejects(openAll(bed.api, requestsOf(7)), { code: 'GRN_POOL_EMPTY' })
  const answers = await openAll(bed.api, requestsOf(6))
  areServed(
    t,
    bed,
    answers.map(({ session }) => session),
  )
  t.equal((await bed.claims()).length, 6)
})
