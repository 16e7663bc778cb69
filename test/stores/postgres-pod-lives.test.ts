import t, { type Test } from 'tap'
import { createPostgresPodLives } from '../../src/stores/postgres-pod-lives.ts'
import { podNamed } from './open-records.ts'
import { newLife } from './pod-life-rows.ts'
import { freshStoreOn, opened } from './session-store-bed.ts'
import { startDatabase } from './store-servers.ts'

const database = await startDatabase(t)

interface Row {
  readonly pod_uid: string
  readonly project_id: string | null
  readonly settled: boolean
  /** How long ago, s; null for what has not happened. */
  readonly created: number
  readonly ready: number | null
  readonly gone: number | null
  readonly claimed: number | null
  readonly released: number | null
  readonly created_inexact_ms: number
  readonly gone_inexact_ms: number
}

async function bed(t: Test) {
  const stores = await freshStoreOn(database, t)
  const lives = createPostgresPodLives(stores.postgres)
  const query = (sql: string, values: unknown[] = []) => stores.postgres.durable.query(sql, values)
  const ago = (column: string, name: string) => `extract(epoch FROM now() - ${column})::float8 AS ${name}`
  const rows = async (): Promise<Row[]> =>
    (
      await query(`SELECT pod_uid, project_id, settled, created_inexact_ms, gone_inexact_ms,
        ${ago('created_at', 'created')}, ${ago('ready_at', 'ready')}, ${ago('gone_at', 'gone')},
        ${ago('claimed_at', 'claimed')}, ${ago('released_at', 'released')} FROM pod_lives ORDER BY pod_uid`)
    ).rows as Row[]
  return { ...stores, lives, query, rows }
}

const view = (more = {}) => ({ open: [], listedAgoMs: 0, ...more })

const close = (t: Test, found: number | null | undefined, wanted: number, what: string) =>
  t.ok(Math.abs((found ?? Number.NaN) - wanted) < 0.5, `${what}: ${found} s ago`)

void t.test('what is noted of a life adds up, in whatever order and however often it comes', async (t) => {
  const { lives, rows } = await bed(t)
  await lives.note([])
  await lives.note([newLife('a', { createdAgoMs: 60_000 }), newLife('b', { createdAgoMs: 5_000 })])
  await lives.note([newLife('a', { createdAgoMs: undefined, createdAt: 0, readyAgoMs: 50_000 })])
  await lives.note([
    newLife('a', { createdAgoMs: 50_000, readyAgoMs: 10_000, goneAgoMs: 30_000, goneInexactMs: 7 }),
  ])
  await lives.note([newLife('a', { goneAgoMs: 1_000, goneInexactMs: 9 })])
  const [a, b] = await rows()
  t.match(a, { created_inexact_ms: 0, gone_inexact_ms: 7, settled: false })
  close(t, a?.created, 60, 'the first exact time of creation')
  close(t, a?.ready, 50, 'the first time it was Ready')
  close(t, a?.gone, 30, 'the first end')
  t.match(b, { gone: null, ready: null })
})

void t.test('an exact creation replaces one that was read from the creationTimestamp', async (t) => {
  const { lives, rows } = await bed(t)
  const createdAt = Math.floor(Date.now() / 1_000) * 1_000 - 100_000
  await lives.note([newLife('a', { createdAt, createdAgoMs: undefined })])
  const [before] = await rows()
  t.equal(before?.created_inexact_ms, 500)
  close(t, before?.created, (Date.now() - createdAt - 500) / 1_000, 'the middle of its second')
  await lives.note([newLife('a', { createdAt, createdAgoMs: 99_300 })])
  const [after] = await rows()
  t.equal(after?.created_inexact_ms, 0)
  close(t, after?.created, 99.3, 'exact')
})

void t.test('an end before the begin, or a begin in the future, is no error', async (t) => {
  const { lives, rows } = await bed(t)
  await lives.note([
    newLife('a', { createdAgoMs: 1_000, goneAgoMs: 5_000 }),
    newLife('b', { createdAt: Date.now() + 3_600_000, createdAgoMs: undefined, goneAgoMs: 0 }),
    newLife('c', { goneAgoMs: 0, goneInexactMs: 1e12 }),
  ])
  for (const { created, gone, pod_uid } of await rows())
    t.ok((gone ?? 1) <= created, `${pod_uid} ends after it begins`)
})

void t.test(
  'a comparison begins what is missing and ends what is absent, and says how exact that is',
  async (t) => {
    const { lives, query, rows } = await bed(t)
    const present = (uid: string) => ({
      uid,
      agentType: 'echo-agent',
      createdAt: Date.now() - 600_000,
      readySince: Date.now() - 500_000,
    })
    t.same(await lives.compare([present('old'), present('gone'), present('leaving')], view()), {
      begun: 3,
      ended: 0,
    })
    await lives.note([newLife('young'), newLife('unseen', { createdAgoMs: 9_000 })])
    await lives.note([newLife('leaving', { createdAgoMs: undefined, deletingAt: Date.now() - 20_000 })])
    await query(`UPDATE pod_life_notes SET looked_at = now() - interval '40 s'`)
    t.same(await lives.compare([present('old')], view({ open: ['unseen'] })), { begun: 0, ended: 2 })
    const byUid = new Map((await rows()).map((row) => [row.pod_uid, row]))
    t.match(byUid.get('old'), { gone: null, created_inexact_ms: 500 })
    close(t, byUid.get('old')?.created, 599.5, 'its creationTimestamp')
    close(t, byUid.get('old')?.ready, 500, 'as the pod says')
    t.match(byUid.get('young'), { gone: null }, 'another leader may just have begun it')
    t.match(byUid.get('unseen'), { gone: null }, 'created here, and not shown yet')
    close(t, byUid.get('gone')?.gone, 0, 'the first absence')
    close(t, byUid.get('leaving')?.gone, 20, 'its deletionTimestamp')
    for (const uid of ['gone', 'leaving'])
      close(t, (byUid.get(uid)?.gone_inexact_ms ?? 0) / 1_000, 40, 'since the last look')
  },
)

void t.test('what went while nobody watched went before this process listed the pods', async (t) => {
  const { lives, query, rows } = await bed(t)
  const lost = (listedAgoMs: number) => lives.compare([], view({ listedAgoMs }))
  await lives.note([newLife('a', { createdAgoMs: 300_000 })])
  await query(`UPDATE pod_life_notes SET looked_at = now() - interval '40 s'`)
  await lost(30_000)
  await lives.note([newLife('b', { createdAgoMs: 300_000 })])
  await query(`UPDATE pod_life_notes SET looked_at = now() - interval '20 s'`)
  await lost(30_000)
  const [a, b] = await rows()
  close(t, a?.gone, 30, 'the first list')
  close(t, (a?.gone_inexact_ms ?? 0) / 1_000, 10, 'since the last look of the leader before')
  close(t, b?.gone, 0, 'an event was lost')
  close(t, (b?.gone_inexact_ms ?? 0) / 1_000, 20, 'since the last look')
})

void t.test('a pod that is there again did not end; what a moment ago ended stays ended', async (t) => {
  const { lives, query, rows } = await bed(t)
  await lives.note([
    newLife('back', { createdAgoMs: 300_000, goneAgoMs: 200_000 }),
    newLife('new', { goneAgoMs: 10 }),
  ])
  await lives.settle(10)
  const present = ['back', 'new'].map((uid) => ({
    uid,
    agentType: 'echo-agent',
    createdAt: 0,
    readySince: undefined,
  }))
  t.same(await lives.compare(present, view()), { begun: 0, ended: 0 })
  t.match(await rows(), [
    { pod_uid: 'back', gone: null, settled: false },
    { pod_uid: 'new', settled: true },
  ])
  t.equal((await query('SELECT looked_at FROM pod_life_notes')).rows[0]?.looked_at instanceof Date, true)
})

void t.test('in a database of an older version the first comparison makes the record complete', async (t) => {
  const { lives, query } = await bed(t)
  const since = async () => (await query('SELECT complete_since FROM pod_life_notes')).rows[0]?.complete_since
  await lives.noteLooked()
  t.equal(await since(), Number.NEGATIVE_INFINITY)
  await query('UPDATE pod_life_notes SET complete_since = NULL')
  await lives.compare([], view())
  const first = await since()
  t.ok(first instanceof Date)
  await lives.compare([], view())
  t.same(await since(), first)
})

void t.test('a life is settled once its pod is gone and its session ENDED', async (t) => {
  const { lives, store, ledger, rows } = await bed(t)
  const idle = { createdAgoMs: 60_000, goneAgoMs: 0 }
  const session = await opened(store, { pod: podNamed('used'), projectId: 'p' })
  await store.activate(session.id, 1)
  const failed = await opened(store, { pod: podNamed('failed') })
  await store.failOpen(failed, 'failed:delivery', { kind: 'retire', reason: 'refused' })
  const died = await opened(store, { pod: podNamed('died') })
  await ledger.endOnPods([{ podUid: 'died', reason: 'pod:died' }])
  await ledger.finishEnding([died.id])
  const moved = await opened(store, { pod: podNamed('left') })
  await store.commitNextAttempt(moved, { pod: podNamed('taken'), epoch: 2, reason: 'refused' })
  await opened(store, { pod: podNamed('pending') })
  await lives.note(
    ['used', 'failed', 'died', 'left', 'pending', 'unclaimed'].map((uid) => newLife(uid, idle)),
  )
  await lives.note([newLife('taken', { createdAgoMs: 60_000 })])
  t.equal(await lives.settle(3), 3)
  t.equal(
    await lives.settle(9),
    1,
    'not the one whose session goes on, nor the one that may still become ACTIVE',
  )
  const settled = async () => (await rows()).filter((row) => row.settled).map((row) => row.pod_uid)
  t.same(await settled(), ['died', 'failed', 'left', 'unclaimed'])
  await store.beginEnding(session.id, 'ended:caller')
  await ledger.finishEnding([session.id])
  t.equal(await lives.settle(9), 1)
  const used = (await rows()).find((row) => row.pod_uid === 'used')
  t.match(used, { project_id: 'p', settled: true })
  close(t, used?.claimed, 0, 'claimed')
  close(t, used?.released, 0, 'released')
  for (const row of await rows())
    if (row.pod_uid !== 'used') t.equal(row.claimed, null, `${row.pod_uid} was used by nobody`)
})

void t.test('twenty thousand pods are compared within the time of a statement', async (t) => {
  const { lives } = await bed(t)
  const present = Array.from({ length: 20_000 }, (_, at) => ({
    uid: `0198c0de-0000-7000-8000-${String(at).padStart(12, '0')}`,
    agentType: 'echo-agent',
    createdAt: 0,
    readySince: 1,
  }))
  t.same(await lives.compare(present, view()), { begun: 20_000, ended: 0 })
  const began = performance.now()
  t.same(await lives.compare(present.slice(10), view()), { begun: 0, ended: 10 })
  t.comment(`${Math.round(performance.now() - began)} ms`)
})
