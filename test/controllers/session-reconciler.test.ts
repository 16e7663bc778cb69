import t from 'tap'
import { endDeadlineMs } from '../../src/controllers/session-reconciler.ts'
import { PodWriteError } from '../../src/domain/pod-write-error.ts'
import { indexOn, redisFor, startDatabase, startIndexServer } from '../stores/store-servers.ts'
import { controllerBed, poolsOf } from './controller-bed.ts'

const database = await startDatabase(t)
const redis = await redisFor(t, (await startIndexServer(t)).url)

/** A pool of one pod, `uid-1`, that a session holds. */
async function claimedBed(t: Parameters<typeof controllerBed>[0]) {
  const index = indexOn(redis)
  const bed = await controllerBed(t, { database, index, pools: poolsOf({ min: 1, max: 10 }) })
  await bed.settle()
  const id = await bed.claim('uid-1')
  return { ...bed, id, look: () => bed.sessionReconciler.reconcile(id) }
}

void t.test('a live session is left alone', async (t) => {
  const bed = await claimedBed(t)
  t.equal(await bed.look(), undefined)
  t.strictSame(bed.told, [])
  t.strictSame(bed.pods.of('delete'), [])
  t.equal(await bed.sessionReconciler.reconcile('0198c0de-ffff-7fff-8fff-ffffffffffff'), undefined)
})

void t.test('tells the agent once, deletes once, and is ENDED when the pod is gone', async (t) => {
  const bed = await claimedBed(t)
  await bed.sessions.beginEnding(bed.id, 'ended:caller')
  bed.pods.lag()
  for (let n = 0; n < 3; n += 1) t.ok(((await bed.look()) ?? 0) > 0, 'looks again')
  t.match(bed.told, [{ sessionId: bed.id, epoch: 1, reason: 'ended:caller' }])
  t.equal(bed.told.length, 1)
  t.strictSame(bed.pods.of('delete'), ['uid-1'])
  bed.pods.catchUp()
  await bed.look()
  t.strictSame(bed.pods.of('delete'), ['uid-1'])
  t.equal((await bed.session(bed.id)).status, 'ENDING', 'the pod is still there')
  t.equal(bed.sessionReconciler.endingOn('uid-1'), bed.id)
  bed.pods.reap()
  t.equal(await bed.look(), undefined)
  t.equal((await bed.session(bed.id)).status, 'ENDED')
  t.match(bed.published.at(-1), { kind: 'ended', sessionId: bed.id })
  t.equal(bed.sessionReconciler.endingOn('uid-1'), undefined)
})

void t.test('a dead pod is deleted without a word to its agent', async (t) => {
  const bed = await claimedBed(t)
  await bed.sessions.beginEnding(bed.id, 'pod:died')
  bed.pods.change('uid-1', { deadReason: 'agent container ended' })
  await bed.look()
  t.strictSame(bed.told, [])
  t.strictSame(bed.pods.of('delete'), ['uid-1'])
})

void t.test('a pod that only the view lost is deleted, and its session waits for it', async (t) => {
  const bed = await claimedBed(t)
  await bed.sessions.beginEnding(bed.id, 'ended:caller')
  const pod = bed.pods.real.get('uid-1')
  bed.pods.vanish('uid-1')
  if (pod) bed.pods.real.set('uid-1', pod)
  await bed.look()
  t.equal((await bed.session(bed.id)).status, 'ENDING', 'absence in a view is no proof')
  t.strictSame(bed.pods.of('delete'), ['uid-1'])
})

void t.test('at the deadline it is ENDED, whatever remains', async (t) => {
  const bed = await claimedBed(t)
  await bed.sessions.beginEnding(bed.id, 'lapsed:lease')
  bed.pods.refuse('delete', new PodWriteError('forbidden', 'may not delete', { answered: true }))
  await t.rejects(bed.look(), { message: 'may not delete' }, 'the queue tries again')
  bed.advance(endDeadlineMs - 1)
  await t.rejects(bed.look())
  t.equal((await bed.session(bed.id)).status, 'ENDING')
  bed.advance(1)
  t.equal(await bed.look(), undefined)
  t.equal((await bed.session(bed.id)).status, 'ENDED')
  t.match(bed.lines.join(''), /session ended, but its pod remains/)
  t.match(await bed.metrics.registry.metrics(), /greenroom_sessions_ended_total\{reason="lapsed:lease"\} 1/)
})

void t.test('the deadline runs on this process’s clock, whatever PostgreSQL’s says', async (t) => {
  const bed = await claimedBed(t)
  await bed.sessions.beginEnding(bed.id, 'ended:caller')
  for (const shift of ['-1 hour', '1 hour']) {
    await bed.postgres.durable.query(`UPDATE sessions SET ending_at = now() + $2::interval WHERE id = $1`, [
      bed.id,
      shift,
    ])
    await bed.look()
    t.equal((await bed.session(bed.id)).status, 'ENDING', `its clock is off by ${shift}`)
  }
  bed.advance(endDeadlineMs)
  await bed.look()
  t.equal((await bed.session(bed.id)).status, 'ENDED')
})

void t.test('what another process finished, and what an earlier leadership saw, is forgotten', async (t) => {
  const bed = await claimedBed(t)
  await bed.sessions.beginEnding(bed.id, 'ended:caller')
  await bed.look()
  bed.advance(1)
  t.strictSame(await bed.sessionReconciler.ending(500), [bed.id])
  t.equal(bed.sessionReconciler.remembered(), 1, 'it is listed')
  await bed.ledger.finishEnding([bed.id])
  t.strictSame(await bed.sessionReconciler.ending(500), [])
  t.equal(bed.sessionReconciler.remembered(), 0)
  t.equal(bed.sessionReconciler.endingOn('uid-1'), undefined)

  const again = await claimedBed(t)
  await again.sessions.beginEnding(again.id, 'ended:caller')
  await again.look()
  again.sessionReconciler.begin()
  t.equal(again.sessionReconciler.endingOn('uid-1'), undefined)
  again.advance(endDeadlineMs)
  await again.look()
  t.equal((await again.session(again.id)).status, 'ENDING', 'its time starts with the leadership')
})

void t.test('a list that may be cut off drops nothing', async (t) => {
  const bed = await claimedBed(t)
  await bed.sessions.beginEnding(bed.id, 'ended:caller')
  await bed.look()
  bed.advance(1)
  bed.ledger.ending = async () => []
  await bed.sessionReconciler.ending(0)
  t.equal(bed.sessionReconciler.remembered(), 1)
})

void t.test('an agent on a silent node is not waited for', async (t) => {
  const bed = await claimedBed(t)
  await bed.sessions.beginEnding(bed.id, 'pod:node-lost')
  bed.pods.change('uid-1', { unreachableSince: bed.now() })
  await bed.look()
  t.strictSame(bed.told, [])
  t.strictSame(bed.pods.of('delete'), ['uid-1'])
})

void t.test('a session that never had a pod is ENDED at once', async (t) => {
  const bed = await claimedBed(t)
  await bed.sessions.beginEnding(bed.id, 'ended:caller')
  await bed.postgres.durable.query(
    'UPDATE sessions SET pod_uid = NULL, pod_name = NULL, pod_ip = NULL WHERE id = $1',
    [bed.id],
  )
  t.equal(await bed.look(), undefined)
  t.match(await bed.session(bed.id), { status: 'ENDED', endReason: 'ended:caller' })
  t.strictSame(bed.pods.of('delete'), [])
})
