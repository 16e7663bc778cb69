import t from 'tap'
import type { Wake } from '../../src/domain/index-ports.ts'
import { GreenroomError } from '../../src/errors.ts'
import { createMetrics } from '../../src/metrics.ts'
import { createTakeRoomEvent } from '../../src/sessions/take-room-event.ts'
import { newSession } from '../http/api-bed.ts'

const id = '0198c0de-0000-7000-8000-000000000001'
const room = `echo-agent-${id}`

function start(join: (id: string, epoch: number) => Promise<void> = async () => undefined) {
  const joined: [string, number][] = []
  const wakes: Wake[] = []
  const metrics = createMetrics()
  let nowMs = 0
  let serial = 0
  const take = createTakeRoomEvent({
    async joinSession(id, epoch) {
      await join(id, epoch)
      joined.push([id, epoch])
      return newSession()
    },
    wakes: { publish: (wake) => void wakes.push(wake) },
    metrics,
    now: () => nowMs,
  })
  return {
    joined,
    wakes,
    metrics,
    advance: (ms: number) => (nowMs += ms),
    take: (event: string, more: { id?: string; room?: string; identity?: string } = {}) =>
      take({ id: `EV_${(serial += 1)}`, event, room, identity: undefined, ...more }),
  }
}

void t.test('the join of an agent is noted, with its epoch', async (t) => {
  const { take, joined, wakes } = start()
  t.equal(await take('participant_joined', { identity: `agent-${id}-3` }), 'taken')
  t.same(joined, [[id, 3]])
  t.same(wakes, [{ kind: 'room', sessionId: id }])
})

void t.test('an agent of another session, and a person, are no join of this agent', async (t) => {
  const { take, joined } = start()
  const other = '0198c0de-0000-7000-8000-000000000002'
  for (const identity of [`agent-${other}-3`, 'ann', 'agent-', `agent-${id}`, `agent-${id}-0`])
    t.equal(await take('participant_joined', { identity }), 'taken')
  await take('participant_left', { identity: `agent-${id}-3` })
  t.same(joined, [])
})

void t.test('what may change a room wakes the controller, and nothing else does', async (t) => {
  const { take, wakes } = start()
  for (const event of ['participant_left', 'participant_connection_aborted', 'room_finished'])
    t.equal(await take(event), 'taken')
  t.equal(wakes.length, 3)
  for (const event of ['room_started', 'track_published', 'egress_ended', 'constructor', ''])
    t.equal(await take(event), 'not-needed')
  for (const foreign of ['lobby', '', `echo-agent-${id.toUpperCase()}`])
    t.equal(await take('room_finished', { room: foreign }), 'not-ours')
  t.equal(wakes.length, 3)
})

void t.test('an event that comes again is taken once, for longer than its signature is good', async (t) => {
  const { take, wakes, advance } = start()
  t.equal(await take('room_finished', { id: 'EV' }), 'taken')
  advance(300_000)
  t.equal(await take('room_finished', { id: 'EV' }), 'repeated')
  t.equal(wakes.length, 1)
})

void t.test('one that failed half-way is taken when it comes again', async (t) => {
  let isDown = true
  const { take, joined } = start(async () => {
    if (isDown) throw new GreenroomError('GRN_DATABASE_UNAVAILABLE')
  })
  const event = { id: 'EV', identity: `agent-${id}-1` }
  await t.rejects(take('participant_joined', event), { code: 'GRN_DATABASE_UNAVAILABLE' })
  isDown = false
  t.equal(await take('participant_joined', event), 'taken')
  t.same(joined, [[id, 1]])
})

void t.test('an agent that joins too late for its session changes nothing, and is no error', async (t) => {
  for (const code of ['GRN_SESSION_NOT_FOUND', 'GRN_STALE_EPOCH', 'GRN_SESSION_OVER'] as const) {
    const { take, wakes } = start(() => Promise.reject(new GreenroomError(code)))
    t.equal(await take('participant_joined', { identity: `agent-${id}-1` }), 'taken')
    t.equal(wakes.length, 1, 'the room may have to go')
  }
})

void t.test('the metric has the names of events that are known, whatever is sent', async (t) => {
  const { take, metrics } = start()
  await take('room_finished')
  for (let n = 0; n < 50; n += 1) await take(`made-up-${n}`)
  const { values } = await metrics.roomEvents.get()
  t.same(
    values.map(({ labels, value }) => [labels.event, labels.outcome, value]),
    [
      ['room_finished', 'taken', 1],
      ['other', 'not-needed', 50],
    ],
  )
})

void t.test('events in another order are as good: the controller looks at what is there now', async (t) => {
  const { take, joined, wakes } = start()
  await take('room_finished')
  await take('participant_left', { identity: `agent-${id}-1` })
  await take('participant_joined', { identity: `agent-${id}-1` })
  t.same(joined, [[id, 1]])
  t.strictSame(wakes, Array(3).fill({ kind: 'room', sessionId: id }))
})
