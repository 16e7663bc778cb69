import assert from 'node:assert/strict'
import t, { type Test } from 'tap'
import { endReason } from '../../src/domain/session.ts'
import { newId, newRecord, podNamed } from './open-records.ts'
import { freshStoreOn, opened } from './session-store-bed.ts'
import { startDatabase } from './store-servers.ts'

const database = await startDatabase(t)
const freshStore = (t: Test, options?: { max?: number }) => freshStoreOn(database, t, options)

void t.test('an open claims its pod and writes the session', async (t) => {
  const { store, claims } = await freshStore(t)
  const record = newRecord({ fingerprint: 'f' })
  const outcome = await store.commitOpen(record)
  t.match(outcome, {
    kind: 'committed',
    session: {
      id: record.id,
      status: 'PENDING',
      endReason: undefined,
      participant: { identity: 'ann' },
      metadata: { topic: 'tea' },
      fingerprint: 'f',
      epoch: 1,
      pod: record.pod,
      leaseMs: 60_000,
      activeAt: undefined,
    },
  })
  const session = await store.get(record.id)
  t.same(session, outcome.kind === 'committed' && outcome.session)
  t.equal((session?.leaseExpiresAt ?? 0) - (session?.createdAt ?? 0) > 59_990, true)
  t.match(await claims(), [{ pod_uid: record.pod.uid, purpose: 'session', session_id: record.id, epoch: 1 }])
  t.equal(await store.get(newId()), undefined)
})

void t.test('what a caller left out comes back as undefined', async (t) => {
  const { store } = await freshStore(t)
  const nothing = { projectId: undefined, participant: undefined, metadata: undefined }
  t.match(await opened(store, nothing), nothing)
})

void t.test('a taken pod and an existing session are told apart', async (t) => {
  const { store, claims, sessionCount, ledger } = await freshStore(t)
  const first = await opened(store)
  t.same(await store.commitOpen(newRecord({ pod: podNamed(first.pod?.uid ?? '') })), { kind: 'pod-taken' })
  await ledger.retire(['retired'], 'surplus')
  t.same(await store.commitOpen(newRecord({ pod: podNamed('retired') })), { kind: 'pod-taken' })
  const again = { kind: 'session-exists', session: first }
  t.same(await store.commitOpen(newRecord({ id: first.id, pod: podNamed('free') })), again)
  t.same(await store.commitOpen(newRecord({ id: first.id })), again, 'both at once: the session decides')
  t.equal((await claims()).length, 2, 'neither left a claim')
  t.equal(await sessionCount(), 1)
})

void t.test('a refused claim keeps its connection', async (t) => {
  const { store, postgres } = await freshStore(t, { max: 1 })
  const first = await opened(store)
  const backend = async () => (await postgres.durable.query('SELECT pg_backend_pid() AS pid')).rows[0].pid
  const before = await backend()
  await store.commitOpen(newRecord({ pod: podNamed(first.pod?.uid ?? '') }))
  t.equal(await backend(), before)
})

void t.test('50 sessions that want 10 pods at once: each pod goes to one', async (t) => {
  const { store, claims, sessionCount } = await freshStore(t)
  const outcomes = await Promise.all(
    Array.from({ length: 50 }, (_, n) => store.commitOpen(newRecord({ pod: podNamed(`pod-${n % 10}`) }))),
  )
  const committed = outcomes.flatMap((outcome) =>
    outcome.kind === 'committed' ? [outcome.session.pod?.uid] : [],
  )
  t.equal(committed.length, 10)
  t.equal(new Set(committed).size, 10)
  t.equal(outcomes.filter((outcome) => outcome.kind === 'pod-taken').length, 40)
  t.equal((await claims()).length, 10)
  t.equal(await sessionCount(), 10)
})

void t.test('one session that 20 replicas open at once takes one pod', async (t) => {
  const { store, claims } = await freshStore(t)
  const id = newId()
  const outcomes = await Promise.all(
    Array.from({ length: 20 }, (_, n) => store.commitOpen(newRecord({ id, pod: podNamed(`pod-${n}`) }))),
  )
  t.equal(outcomes.filter((outcome) => outcome.kind === 'committed').length, 1)
  t.equal(outcomes.filter((outcome) => outcome.kind === 'session-exists').length, 19)
  t.equal((await claims()).length, 1)
})

void t.test('the next attempt retires the pod that failed, in the same transaction', async (t) => {
  const { store, claims } = await freshStore(t)
  const pending = await opened(store, { pod: podNamed('bad') })
  const other = await opened(store, { pod: podNamed('taken') })
  const next = (uid: string, epoch: number) => ({ pod: podNamed(uid), epoch, reason: 'refused: status 409' })
  t.same(await store.commitNextAttempt(pending, next('taken', 2)), { kind: 'pod-taken' })
  t.match(await claims(), [{ pod_uid: 'bad', purpose: 'session' }, { pod_uid: 'taken' }], 'neither or both')
  t.match(await store.commitNextAttempt(pending, next('good', 3)), {
    kind: 'committed',
    session: { id: pending.id, status: 'PENDING', epoch: 3, pod: { uid: 'good', name: 'name-good' } },
  })
  t.match(await claims(), [
    { pod_uid: 'bad', purpose: 'retired', session_id: pending.id, reason: 'refused: status 409' },
    { pod_uid: 'good', purpose: 'session', session_id: pending.id, epoch: 3 },
    { pod_uid: 'taken', purpose: 'session', session_id: other.id },
  ])
  t.match(await store.commitNextAttempt(pending, next('late', 4)), {
    kind: 'session-exists',
    session: { epoch: 3 },
  })
  t.equal((await claims()).length, 3, 'the late one claimed nothing')
})

void t.test('a failed open ends, its pod is retired, and the record may start again', async (t) => {
  const { store, claims } = await freshStore(t)
  const pending = await opened(store, { pod: podNamed('bad'), fingerprint: 'f' })
  t.equal(
    await store.failOpen({ ...pending, epoch: 2 }, endReason.deliveryFailed, { kind: 'retire', reason: 'x' }),
    undefined,
  )
  const failed = await store.failOpen(pending, endReason.deliveryFailed, {
    kind: 'retire',
    reason: 'unreachable',
  })
  assert.ok(failed)
  t.match(failed, { status: 'ENDED', endReason: 'failed:delivery' })
  t.match(await claims(), [{ pod_uid: 'bad', purpose: 'retired', reason: 'unreachable' }])
  const record = (uid: string, epoch: number) =>
    newRecord({ id: failed.id, pod: podNamed(uid), epoch, fingerprint: 'f2', metadata: { again: true } })
  t.same(await store.reopen(failed, record('bad', 2)), { kind: 'pod-taken' })
  t.match(await store.reopen(failed, record('same-epoch', 1)), { kind: 'pod-taken' }, 'epochs only go up')
  t.match(await store.reopen(failed, record('good', 2)), {
    kind: 'committed',
    session: {
      status: 'PENDING',
      endReason: undefined,
      endedAt: undefined,
      epoch: 2,
      pod: { uid: 'good' },
      metadata: { again: true },
    },
  })
  t.match(await store.reopen(failed, record('later', 3)), { kind: 'session-exists', session: { epoch: 2 } })
  t.equal((await claims()).length, 2)
})

void t.test('a key whose record was purged is opened like a new one', async (t) => {
  const { store, ledger, postgres, claims } = await freshStore(t)
  const failed = await store.failOpen(await opened(store), endReason.deliveryFailed, {
    kind: 'retire',
    reason: 'x',
  })
  assert.ok(failed)
  await postgres.durable.query(`UPDATE pod_claims SET gone_at = now()`)
  await ledger.purge({ sessionsAfterMs: -1_000, claimsAfterMs: -1_000, limit: 10 })
  t.equal(await store.get(failed.id), undefined)
  const record = newRecord({ id: failed.id, pod: podNamed('free'), epoch: 2 })
  t.match(await store.reopen(failed, record), { kind: 'committed', session: { epoch: 2 } })
  t.match(await claims(), [{ pod_uid: 'free', session_id: failed.id, epoch: 2 }])
})

void t.test('only what failed is opened again', async (t) => {
  const { store, ledger } = await freshStore(t)
  const session = await opened(store)
  await store.beginEnding(session.id, endReason.caller)
  await ledger.finishEnding([session.id])
  const ended = await store.get(session.id)
  assert.ok(ended)
  await store.reopen(ended, newRecord({ id: session.id, epoch: 2, pod: podNamed('other') }))
  t.match(await store.get(session.id), { status: 'ENDED', endReason: 'ended:caller', epoch: 1 })
})

void t.test(
  'groups: every open of a storm with colliding pods and keys is answered as if alone',
  async (t) => {
    const { store, claims, sessionCount } = await freshStore(t)
    const records = Array.from({ length: 200 }, (_, n) =>
      newRecord({ pod: podNamed(`pod-${n % 120}`), ...(n % 50 === 0 && { id: newId() }) }),
    )
    const twice = [...records, ...records.slice(0, 30)]
    const outcomes = await Promise.all(twice.map((record) => store.commitOpen(record)))
    const committed = outcomes.filter(({ kind }) => kind === 'committed')
    t.equal(committed.length, 120)
    t.equal(await sessionCount(), 120)
    t.equal((await claims()).length, 120)
  },
)

void t.test('one that PostgreSQL refuses does not fail those that came with it', async (t) => {
  const { store } = await freshStore(t)
  const bad = newRecord({ metadata: { text: 'a\u0000b' } })
  const outcomes = await Promise.allSettled([newRecord(), bad, newRecord()].map((r) => store.commitOpen(r)))
  t.same(
    outcomes.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  )
})

void t.test('a pod that never heard of a failed open is free again; its session has ended', async (t) => {
  const { store, claims } = await freshStore(t)
  const pending = await opened(store, { pod: podNamed('untouched') })
  t.equal(
    await store.failOpen({ ...pending, epoch: 2 }, endReason.deliveryFailed, { kind: 'release' }),
    undefined,
  )
  t.equal((await claims()).length, 1, 'not for an older attempt')
  t.match(await store.failOpen(pending, endReason.deliveryFailed, { kind: 'release' }), { status: 'ENDED' })
  t.same(await claims(), [])
  t.match(await store.commitOpen(newRecord({ pod: podNamed('untouched') })), { kind: 'committed' })
})
