import t from 'tap'
import type { OpenRecord } from '../../src/domain/session-ports.ts'
import { createPostgresProjectLimits } from '../../src/stores/postgres-project-limits.ts'
import { notePods } from '../support/noted-pods.ts'
import { someActor } from '../support/some-actor.ts'
import { newId, newRecord, podNamed } from './open-records.ts'
import { freshStoreOn, opened } from './session-store-bed.ts'
import { startDatabase } from './store-servers.ts'

/** Sessions that are opened all or not at all, by one statement. */

const database = await startDatabase(t)

const records = (count: number, overrides: Partial<OpenRecord> = {}) =>
  Array.from({ length: count }, () => newRecord(overrides))
const kinds = (outcomes: readonly { kind: string }[]) => outcomes.map(({ kind }) => kind)

void t.test('all of them are written, as a read shows them', async (t) => {
  const { store, claims } = await freshStoreOn(database, t)
  const wanted = records(50, { fingerprint: 'f' })
  const outcomes = await store.commitTogether(wanted)
  t.same(new Set(kinds(outcomes)), new Set(['committed']))
  t.equal((await claims()).length, 50)
  for (const [nth, outcome] of outcomes.entries())
    t.same(await store.get(wanted[nth]?.id ?? ''), outcome.kind === 'committed' && outcome.session)
  t.same(await store.commitTogether([]), [])
})

void t.test('a taken pod, a session that is there, a pod without a note: nothing is written', async (t) => {
  const { store, claims, sessionCount, postgres } = await freshStoreOn(database, t)
  const first = await opened(store)
  const [a, b] = [newRecord(), newRecord({ pod: podNamed(first.pod?.uid ?? '') })]
  t.same(kinds(await store.commitTogether([a, b])), ['held-back', 'pod-taken'])
  t.match(await store.commitTogether([a, newRecord({ id: first.id })]), [
    { kind: 'held-back' },
    { kind: 'session-exists', session: { id: first.id } },
  ])
  await notePods(postgres, [a.pod.uid])
  t.same(kinds(await store.commitTogether([a, newRecord()])), ['held-back', 'pod-not-noted'])
  t.same(kinds(await store.commitTogether([a, newRecord({ agentType: 'other', pod: a.pod })])), [
    'held-back',
    'pod-not-noted',
  ])
  t.equal((await claims()).length, 1)
  t.equal(await sessionCount(), 1)
  t.same(kinds(await store.commitTogether([a])), ['committed'], 'it can be had alone')
})

void t.test('a project has room for all of its own, or none is opened; others are held back', async (t) => {
  const { store, sessionCount, postgres } = await freshStoreOn(database, t)
  const limits = createPostgresProjectLimits(postgres)
  await limits.set('tea', { maxSessions: 3 }, someActor)
  const ofTea = (count: number) => records(count, { projectId: 'tea' })
  t.same(kinds(await store.commitTogether([...ofTea(4), newRecord()])), [
    'held-back',
    'held-back',
    'held-back',
    'project-full',
    'held-back',
  ])
  t.equal(await sessionCount(), 0)
  t.same(kinds(await store.commitTogether([...ofTea(3), newRecord()])), Array(4).fill('committed'))
  t.match(await limits.get('tea'), { sessions: 3 })
})

void t.test(
  'two statements for the same sessions at once: one writes them, the other finds them',
  async (t) => {
    const { store, claims } = await freshStoreOn(database, t)
    const ids = Array.from({ length: 10 }, newId)
    const ofBatch = (batch: number) => ids.map((id) => newRecord({ id, pod: podNamed(`pod-${batch}-${id}`) }))
    const answers = await Promise.all([0, 1, 2, 3].map((batch) => store.commitTogether(ofBatch(batch))))
    const committed = answers.filter((outcomes) => outcomes.every(({ kind }) => kind === 'committed'))
    const found = answers.filter((outcomes) => outcomes.every(({ kind }) => kind === 'session-exists'))
    t.equal(committed.length, 1)
    t.equal(found.length, 3)
    t.equal((await claims()).length, 10)
  },
)

void t.test('20 batches that reach for the same pods at once: each pod has one session', async (t) => {
  const { store, claims, sessionCount } = await freshStoreOn(database, t)
  const batches = Array.from({ length: 20 }, (_, batch) =>
    Array.from({ length: 10 }, (_one, n) => newRecord({ pod: podNamed(`pod-${(batch * 5 + n) % 100}`) })),
  )
  const answers = await Promise.all(batches.map((batch) => store.commitTogether(batch)))
  const committed = answers.flat().filter(({ kind }) => kind === 'committed').length
  const rows = await claims()
  t.equal(rows.length, committed)
  t.equal(await sessionCount(), committed)
  t.equal(new Set(rows.map(({ pod_uid }) => pod_uid)).size, committed)
  for (const outcomes of answers) {
    const seen = new Set(kinds(outcomes))
    // Beside sessions that were opened only a pod that somebody took at the same moment.
    if (seen.has('committed')) t.notOk(seen.has('held-back') || seen.has('session-exists'))
  }
})
