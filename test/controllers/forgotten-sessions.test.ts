import t from 'tap'
import { forgottenReason } from '../../src/controllers/forgotten-sessions.ts'
import { lookAgainMs, overruleMs, windowMs } from '../../src/domain/absence-guard.ts'
import { indexOn, redisFor, startDatabase, startIndexServer } from '../stores/store-servers.ts'
import { newPod } from '../support/fake-pod-view.ts'
import { agentType, controllerBed, poolsOf } from './controller-bed.ts'

/** Pods that serve sessions which the database has never heard of, as after the restore of an old backup. */

const database = await startDatabase(t)
const redis = await redisFor(t, (await startIndexServer(t)).url)

/** `count` pods that were noted before the backup and claimed after it. */
async function restoredBed(t: Parameters<typeof controllerBed>[0], count: number) {
  const index = indexOn(redis)
  const bed = await controllerBed(t, { database, index, pools: poolsOf({ min: 1, max: 100 }) })
  await bed.postgres.durable.query('TRUNCATE sessions, pod_claims, session_events')
  const pods = Array.from({ length: count }, (_, n) =>
    newPod({ uid: `p-${n}`, name: `pod-${n}`, readySince: 1, ip: '127.1.2.3' }),
  )
  await bed.putMade(...pods)
  for (const pod of pods) await bed.claim(pod.uid)
  await bed.reconcile()
  await bed.postgres.durable.query('TRUNCATE sessions, pod_claims, session_events')
  const claims = async () => [...(await bed.ledger.claimsOf(pods.map(({ uid }) => uid))).values()]
  const frozen = async () =>
    (await bed.metrics.absenceFrozen.get()).values.find(({ labels }) => labels.what === 'forgotten')?.value
  return { ...bed, index, claims, frozen, look: () => bed.forgottenSessions.reconcile() }
}

void t.test('nobody is given such a pod, and the pool counts it as claimed', async (t) => {
  const bed = await restoredBed(t, 3)
  await bed.settle()
  t.equal(bed.pods.of('create').length, 1, 'one idle pod is made beside them')
  t.strictSame(bed.pods.of('delete'), [], 'they are no surplus')
  t.equal(await bed.index.size(agentType), 1, 'only that one is offered')
})

void t.test('few are retired with the reason, told of, and deleted by the next look', async (t) => {
  const bed = await restoredBed(t, 3)
  t.equal(await bed.look(), undefined)
  t.match(await bed.claims(), Array(3).fill({ purpose: 'retired', reason: forgottenReason }))
  t.equal(bed.reports.filter((report) => report.startsWith('SessionForgotten: Pod pod-')).length, 3)
  await bed.reconcile()
  t.strictSame(bed.pods.of('delete').toSorted(), ['p-0', 'p-1', 'p-2'])
})

void t.test('a wrong database: many are left alone with one alarm, and the right one ends it', async (t) => {
  const bed = await restoredBed(t, 20)
  t.equal(await bed.look(), lookAgainMs)
  bed.advance(lookAgainMs)
  await bed.look()
  t.equal(await bed.frozen(), 1)
  t.strictSame(bed.reports, [
    'AbsenceFrozen: The database does not know 20 of 20 sessions that pods serve: none of these pods is deleted.',
  ])
  await bed.settle()
  t.strictSame(bed.pods.of('delete'), [])
  for (const pod of bed.pods.real.values())
    if (pod.sessionLabel)
      await bed.postgres.durable.query(
        `INSERT INTO session_events (session_id, status, epoch, pod_uid) VALUES ($1, 'ACTIVE', 1, $2)`,
        [pod.sessionLabel, pod.uid],
      )
  bed.advance(windowMs)
  await bed.look()
  t.equal(await bed.frozen(), 0)
  t.strictSame(await bed.claims(), [])
})

void t.test('after ten minutes they go, five at a time', async (t) => {
  const bed = await restoredBed(t, 12)
  for (let ms = 0; ms < overruleMs; ms += windowMs) {
    await bed.look()
    bed.advance(windowMs)
  }
  t.strictSame(await bed.claims(), [])
  await bed.look()
  t.equal((await bed.claims()).length, 5)
  bed.advance(windowMs)
  await bed.look()
  t.equal((await bed.claims()).length, 10)
})

void t.test('a claim that was undone leaves its label on a pod that is idle again', async (t) => {
  const bed = await restoredBed(t, 0)
  const pod = newPod({ uid: 'undone', readySince: 1, ip: '127.1.2.3' })
  await bed.putMade(pod)
  const id = await bed.claim('undone', 'PENDING')
  await bed.reconcile()
  await bed.sessions.failOpen(await bed.session(id), 'failed:delivery', { kind: 'release' })
  await bed.look()
  t.strictSame(await bed.claims(), [])
  await bed.reconcile()
  t.equal(await bed.index.size(agentType), 1, 'and is offered again')
})
