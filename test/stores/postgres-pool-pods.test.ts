import t, { type Test } from 'tap'
import { createPostgresPoolPods } from '../../src/stores/postgres-pool-pods.ts'
import { newId, newRecord, podNamed } from './open-records.ts'
import { freshStoreOn, opened } from './session-store-bed.ts'
import { startDatabase } from './store-servers.ts'

/** A session can claim only what the controller noted, whoever proposes it: every statement that claims a pod asks. */

const database = await startDatabase(t)

async function bed(t: Test) {
  const stores = await freshStoreOn(database, t)
  const poolPods = createPostgresPoolPods(stores.postgres)
  const note = (podUid: string, agentType = 'echo-agent') => ({
    podUid,
    agentType,
    templateHash: `template of ${podUid}`,
    specDigest: `of ${podUid}`,
  })
  await poolPods.adopt([note('ours'), note('next'), note('light', 'stella-light')])
  return { ...stores, poolPods, note }
}

const on = (uid: string, overrides = {}) => newRecord({ pod: podNamed(uid), ...overrides })
const refused = { kind: 'pod-not-noted' }

void t.test('an open on a pod without a note, or noted for another type, claims nothing', async (t) => {
  const { store, claims, sessionCount } = await bed(t)
  t.same(await store.commitOpen(on('foreign')), refused)
  t.same(await store.commitOpen(on('light')), refused, 'noted for stella-light')
  t.same(await claims(), [])
  t.equal(await sessionCount(), 0)
  t.match(await store.commitOpen(on('light', { agentType: 'stella-light' })), { kind: 'committed' })
  t.match(await store.commitOpen(on('ours')), { kind: 'committed' })
  t.same(await store.commitOpen(on('ours')), { kind: 'pod-taken' }, 'taken is not the same as unknown')
})

void t.test('neither does a next attempt, nor an open that starts again', async (t) => {
  const { store, claims } = await bed(t)
  const session = await opened(store, { pod: podNamed('ours') })
  const next = (uid: string) =>
    store.commitNextAttempt(session, { pod: podNamed(uid), epoch: 2, reason: 'refused' })
  for (const uid of ['foreign', 'light']) t.same(await next(uid), refused)
  t.match(await claims(), [{ pod_uid: 'ours', purpose: 'session' }], 'and the pod it has stays its own')
  const failed = await store.failOpen(session, 'failed:delivery', { kind: 'retire', reason: 'refused' })
  if (!failed) throw new Error('it did not fail')
  const again = (uid: string) => store.reopen(failed, on(uid, { id: failed.id, epoch: 2 }))
  for (const uid of ['foreign', 'light']) t.same(await again(uid), refused)
  t.match(await again('next'), { kind: 'committed', session: { pod: { uid: 'next' } } })
})

void t.test('in a group each open is judged by itself', async (t) => {
  const { store, poolPods, note } = await bed(t)
  await poolPods.note(Array.from({ length: 20 }, (_, n) => note(`pod-${n}`)))
  const outcomes = await Promise.all(
    Array.from({ length: 40 }, (_, n) => store.commitOpen(on(n % 2 ? `pod-${(n - 1) / 2}` : `foreign-${n}`))),
  )
  t.equal(outcomes.filter(({ kind }) => kind === 'committed').length, 20)
  t.equal(outcomes.filter(({ kind }) => kind === 'pod-not-noted').length, 20)
})

void t.test('a note is written once and never changes; what was not noted is not found', async (t) => {
  const { poolPods, note } = await bed(t)
  await poolPods.note([note('a'), note('a'), note('b')])
  await poolPods.note([
    { podUid: 'a', agentType: 'other', templateHash: 'other', specDigest: 'other' },
    note('c'),
  ])
  await poolPods.note([])
  const found = await poolPods.noted(['a', 'b', 'c', 'foreign'])
  t.same(
    new Map(found.map((pod) => [pod.podUid, pod])),
    new Map(['a', 'b', 'c'].map((uid) => [uid, note(uid)])),
  )
  t.same(await poolPods.noted([]), [])
})

void t.test('until notes are complete any pod can be claimed, as before the upgrade', async (t) => {
  const { store, postgres } = await freshStoreOn(database, t)
  const poolPods = createPostgresPoolPods(postgres)
  t.equal(await poolPods.isComplete(), false)
  t.match(await store.commitOpen(on('made-by-an-older-version')), { kind: 'committed' })
  await poolPods.adopt([{ podUid: 'older', agentType: 'echo-agent', templateHash: 'h', specDigest: 'd' }])
  t.equal(await poolPods.isComplete(), true)
  t.match(await store.commitOpen(on('older', { id: newId() })), { kind: 'committed' })
  t.same(await store.commitOpen(on('foreign')), refused)
  await poolPods.adopt([])
  t.equal(await poolPods.isComplete(), true, 'for good')
})
