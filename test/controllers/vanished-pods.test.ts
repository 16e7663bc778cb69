import t from 'tap'
import { pendingGraceMs } from '../../src/controllers/pending-grace.ts'
import { lookAgainMs, overruleMs, windowMs } from '../../src/domain/absence-guard.ts'
import { PodWriteError } from '../../src/domain/pod-write-error.ts'
import { indexOn, redisFor, startDatabase, startIndexServer } from '../stores/store-servers.ts'
import { newPod } from '../support/fake-pod-view.ts'
import { controllerBed } from './controller-bed.ts'

const database = await startDatabase(t)
const redis = await redisFor(t, (await startIndexServer(t)).url)

/** `count` ACTIVE sessions, on pods `p-0`, `p-1`, … */
async function liveBed(t: Parameters<typeof controllerBed>[0], count: number) {
  const index = indexOn(redis)
  const bed = await controllerBed(t, { database, index })
  await bed.postgres.durable.query('TRUNCATE sessions, pod_claims')
  const uids = Array.from({ length: count }, (_, n) => `p-${n}`)
  for (const uid of uids) bed.pods.put(newPod({ uid, readySince: 1, ip: '127.1.2.3' }))
  for (const uid of uids) await bed.claim(uid)
  const frozen = async () => (await bed.metrics.absenceFrozen.get()).values[0]?.value
  return { ...bed, uids, frozen, look: () => bed.vanishedPods.reconcile() }
}

void t.test('an empty re-list ends no session: every pod is read to be there', async (t) => {
  const bed = await liveBed(t, 20)
  bed.pods.listNothing()
  for (let n = 0; n < 3; n += 1) {
    t.equal(await bed.look(), undefined)
    bed.advance(overruleMs)
  }
  t.strictSame(bed.ended, [])
  t.equal(await bed.frozen(), 0, 'and nobody is alarmed')
  t.equal(bed.pods.reads(), 60, 'each was asked for by name')
})

void t.test('five of a hundred are ended at once, with the reason', async (t) => {
  const bed = await liveBed(t, 100)
  for (const uid of bed.uids.slice(0, 5)) bed.pods.vanish(uid, { absent: true })
  t.equal(await bed.look(), undefined)
  t.equal(bed.ended.length, 5)
  t.match(await bed.session(bed.ended[0] ?? ''), { status: 'ENDING', endReason: 'pod:deleted' })
})

void t.test('a restored backup freezes: alarm, no session ended; their return ends it', async (t) => {
  const bed = await liveBed(t, 60)
  const pods = [...bed.pods.real.values()]
  for (const uid of bed.uids) bed.pods.vanish(uid, { absent: true })
  t.equal(await bed.look(), lookAgainMs, 'one fresh look first')
  t.equal(await bed.frozen(), 0)
  for (let n = 0; n < 20; n += 1) {
    bed.advance(lookAgainMs)
    await bed.look()
  }
  t.ok(bed.pods.reads() <= 60 * 6, 'every pod is read at a look: not at each event and sweep')
  t.equal(await bed.frozen(), 1)
  t.strictSame(bed.ended, [])
  t.strictSame(bed.reports, [
    'AbsenceFrozen: The pods of 60 of 60 live sessions are missing: none of these sessions is ended.',
  ])
  t.equal(bed.lines.filter((line) => line.includes('frozen: too many')).length, 1, 'one line in the log')
  for (const pod of pods) bed.pods.put(pod)
  bed.advance(windowMs)
  await bed.look()
  t.equal(await bed.frozen(), 0)
  t.strictSame(bed.ended, [])
})

void t.test('confirmed for ten minutes, they end at the capped rate', async (t) => {
  const bed = await liveBed(t, 24)
  for (const uid of bed.uids.slice(0, 12)) bed.pods.vanish(uid, { absent: true })
  let elapsed = 0
  const look = async () => {
    await bed.look()
    bed.advance(windowMs)
    elapsed += windowMs
  }
  while (elapsed < overruleMs) await look()
  t.strictSame(bed.ended, [])
  t.equal(await bed.frozen(), 1)
  const counts: number[] = []
  for (let n = 0; n < 4; n += 1) {
    await look()
    counts.push(bed.ended.length)
  }
  t.strictSame(counts, [5, 10, 12, 12])
  t.equal(await bed.frozen(), 0)
})

void t.test('deletions that an event told of are evidence: a whole node is not frozen', async (t) => {
  const bed = await liveBed(t, 30)
  // The event came while this process did not lead; the sweep finds the sessions.
  for (const uid of bed.uids) bed.pods.change(uid, { nodeLost: true })
  for (const uid of bed.uids) bed.pods.vanish(uid)
  t.equal(await bed.look(), undefined)
  t.equal(bed.ended.length, 30)
  t.equal((await bed.session(bed.ended[0] ?? '')).endReason, 'pod:node-lost')
  t.equal(await bed.frozen(), 0)
})

void t.test('no answer is no absence, and stops no look for good', async (t) => {
  const bed = await liveBed(t, 3)
  bed.pods.vanish('p-0', { absent: true })
  bed.pods.refuse('exists', new PodWriteError('api', 'no answer', { answered: false }))
  await t.rejects(bed.look(), { message: 'no answer' })
  t.strictSame(bed.ended, [])
  bed.pods.refuse('exists', undefined)
  await bed.look()
  t.equal(bed.ended.length, 1)
})

void t.test('a session that is being delivered has its time', async (t) => {
  const bed = await liveBed(t, 0)
  const id = await bed.claim('p-new', 'PENDING')
  await bed.look()
  t.equal((await bed.session(id)).status, 'PENDING')
  bed.advance(pendingGraceMs)
  await bed.look()
  t.match(await bed.session(id), { status: 'ENDING', endReason: 'failed:delivery' })
})

void t.test('a new leadership starts the record anew and takes back the alarm', async (t) => {
  const bed = await liveBed(t, 10)
  for (const uid of bed.uids) bed.pods.vanish(uid, { absent: true })
  await bed.look()
  bed.advance(lookAgainMs)
  await bed.look()
  t.equal(await bed.frozen(), 1)
  bed.advance(overruleMs)
  bed.vanishedPods.reset()
  t.equal(await bed.frozen(), 0)
  t.equal(await bed.look(), lookAgainMs)
  t.strictSame(bed.ended, [], 'nobody looked in between')
})
