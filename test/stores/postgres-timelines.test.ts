import t from 'tap'
import { createPostgresTimelines } from '../../src/stores/postgres-timelines.ts'
import { newRecord, podNamed } from './open-records.ts'
import { freshStoreOn, opened } from './session-store-bed.ts'
import { startDatabase } from './store-servers.ts'

const database = await startDatabase(t)

void t.test('each session of a group keeps its own steps', async (t) => {
  const { store, postgres } = await freshStoreOn(database, t)
  const timelines = createPostgresTimelines(postgres)
  const sessions = await Promise.all([1, 2, 3, 4].map(() => opened(store)))
  await Promise.all(
    sessions.map(({ id, epoch }, n) =>
      store.activate(id, epoch, n === 3 ? undefined : { reserve: n, commit: n + 0.5, deliver: 10 * n }),
    ),
  )
  for (const [n, { id }] of sessions.entries()) {
    const course = await timelines.course(id, undefined)
    const steps = n === 3 ? {} : { reserve: n, commit: n + 0.5, deliver: 10 * n }
    t.match(course, { wait: undefined, reserve: undefined, ...steps, activeAt: Number, renewals: 0 })
    t.ok((course?.activate ?? -1) >= 0)
  }
})

void t.test('renewals that count are counted, and an end leaves everything as it was', async (t) => {
  const { store, postgres } = await freshStoreOn(database, t)
  const timelines = createPostgresTimelines(postgres)
  const { id } = await opened(store, { leaseHeldBy: 'caller' })
  await store.activate(id, 1, { deliver: 5 })
  await store.renew(id, 1)
  await store.renew(id, 1, true)
  await store.renew(id, 2)
  await store.renew(id, 1)
  t.match(
    await timelines.course(id, undefined),
    { renewals: 2, renewedAt: Number },
    'of its holder, in its epoch',
  )
  await store.beginEnding(id, 'ended:caller', undefined, { detail: 'enough' })
  const course = await timelines.course(id, undefined)
  t.match(course, {
    deliver: 5,
    renewals: 2,
    endReason: 'ended:caller',
    endDetail: 'enough',
    endingAt: Number,
  })
  t.equal(await timelines.course('0198c0de-0000-7000-8000-ffffffffffff', undefined), undefined)
  t.match(await timelines.course(id, 'project-1'), { renewals: 2 })
  t.equal(await timelines.course(id, 'project-2'), undefined, 'another project has no such session')
})

void t.test('a session that starts again under its key begins a new course', async (t) => {
  const { store, postgres } = await freshStoreOn(database, t)
  const timelines = createPostgresTimelines(postgres)
  const pending = await opened(store, { leaseHeldBy: 'both' })
  await store.renew(pending.id, 1)
  const failed = await store.failOpen(pending, 'failed:delivery', { kind: 'retire', reason: 'unreachable' })
  if (!failed) throw new Error('it was not PENDING')
  const again = await store.reopen(failed, newRecord({ id: pending.id, epoch: 2, pod: podNamed('another') }))
  t.equal(again.kind, 'committed')
  t.match(await timelines.course(pending.id, undefined), {
    renewals: 0,
    renewedAt: undefined,
    endedAt: undefined,
  })
})
