import t from 'tap'
import { createAgentRemovals } from '../../src/controllers/agent-removals.ts'
import { indexOn, redisFor, startDatabase, startIndexServer } from '../stores/store-servers.ts'
import { silent } from '../support/kept-log.ts'
import { agentType, controllerBed, poolsOf } from './controller-bed.ts'

const database = await startDatabase(t)
const redis = await redisFor(t, (await startIndexServer(t)).url)

/** A session whose first pod, `uid-1`, failed delivery, and that is served by `uid-2` at epoch 2. */
async function secondAttemptBed(t: Parameters<typeof controllerBed>[0]) {
  const index = indexOn(redis)
  const bed = await controllerBed(t, { database, index, pools: poolsOf({ min: 2, max: 10 }) })
  await bed.settle()
  const id = await bed.claim('uid-1', 'PENDING')
  await bed.sessions.commitNextAttempt(await bed.session(id), {
    pod: { uid: 'uid-2', name: 'name-uid-2', ip: '127.1.2.3' },
    epoch: 2,
    reason: 'unreachable',
  })
  await bed.sessions.activate(id, 2)
  const keys: string[] = []
  bed.agentRemovals.begin((key) => keys.push(key))
  const { room } = await bed.session(id)
  return { ...bed, id, keys, room, remove: () => bed.agentRemovals.reconcile(`${id}/1`) }
}

void t.test('the agent of the failed attempt goes, the pod goes, and the good one stays', async (t) => {
  const bed = await secondAttemptBed(t)
  await bed.reconcile()
  await bed.reconcile()
  t.strictSame(bed.keys, [`${bed.id}/1`], 'noted once, however often the pod is seen')
  t.strictSame(bed.pods.of('delete'), ['uid-1'])
  t.equal(await bed.remove(), undefined)
  t.strictSame(bed.removed, [`${bed.room} agent-${bed.id}-1`])
  t.equal((await bed.session(bed.id)).status, 'ACTIVE')
})

void t.test('who is not there yet is looked for once more', async (t) => {
  const bed = await secondAttemptBed(t)
  await bed.reconcile()
  bed.rooms.answer = async () => false
  t.equal(await bed.remove(), 5_000)
  t.equal(await bed.remove(), undefined)
  t.equal(bed.removed.length, 2)
})

void t.test('LiveKit down: tried again, given up at last, and the pool goes on', async (t) => {
  const bed = await secondAttemptBed(t)
  await bed.reconcile()
  bed.rooms.answer = () => Promise.reject(new Error('fetch failed'))
  await t.rejects(bed.remove(), { message: 'fetch failed' }, 'the queue tries again, later each time')
  t.strictSame(bed.pods.of('delete'), ['uid-1'])
  bed.advance(15 * 60_000)
  t.equal(await bed.remove(), undefined)
  t.match(bed.lines.join(''), /was not removed from the room/)
})

void t.test('a new leadership asks again; a hanging pod an hour later too', async (t) => {
  const bed = await secondAttemptBed(t)
  await bed.reconcile()
  const again: string[] = []
  bed.agentRemovals.begin((key) => again.push(key))
  await bed.reconcile(agentType)
  t.strictSame(again, bed.keys)
  bed.advance(60 * 60_000)
  await bed.reconcile(agentType)
  t.equal(again.length, 2)
})

void t.test('a pod retired by the plan had no session, and without LiveKit nobody is asked', async (t) => {
  const bed = await secondAttemptBed(t)
  bed.setPools(poolsOf({ min: 0, max: 10 }))
  await bed.settle()
  t.strictSame(bed.keys, [`${bed.id}/1`])
  const none = createAgentRemovals({
    ledger: bed.ledger,
    rooms: undefined,
    logger: silent,
    monotonicMs: bed.now,
  })
  const keys: string[] = []
  none.begin((key) => keys.push(key))
  none.note({ sessionId: bed.id, epoch: 1 })
  t.strictSame(keys, [])
  t.equal(await none.reconcile(`${bed.id}/1`), undefined)
  bed.agentRemovals.note({ sessionId: '0198c0de-ffff-7fff-8fff-ffffffffffff', epoch: 1 })
  t.equal(await bed.agentRemovals.reconcile('0198c0de-ffff-7fff-8fff-ffffffffffff/1'), undefined, 'purged')
})
