import assert from 'node:assert/strict'
import t, { type Test } from 'tap'
import { defaultLimits } from '../../src/domain/invariants/invariant-limits.ts'
import { judgeLedger } from '../../src/domain/invariants/ledger-invariants.ts'
import { endReason, type Session } from '../../src/domain/session.ts'
import { createPostgresClaimLedger } from '../../src/stores/postgres-claim-ledger.ts'
import { createPostgresInvariantReader } from '../../src/stores/postgres-invariant-reader.ts'
import { createPostgresSessionStore } from '../../src/stores/postgres-session-store.ts'
import { newId, newRecord, podNamed } from './open-records.ts'
import { postgresFor, startDatabase } from './store-servers.ts'

const database = await startDatabase(t)

async function fresh(t: Test) {
  const postgres = await postgresFor(t, database)
  const store = createPostgresSessionStore(postgres)
  return {
    postgres,
    store,
    ledger: createPostgresClaimLedger(postgres),
    open: async (overrides = {}): Promise<Session> => {
      const outcome = await store.commitOpen(newRecord(overrides))
      assert.equal(outcome.kind, 'committed')
      return (outcome as { session: Session }).session
    },
    /** As if API replicas had taken renewals all the time. */
    served: () =>
      postgres.durable.query("UPDATE renewal_service SET alive_at = now(), gap_ended_at = '-infinity'"),
    /** Moves a time of a session into the past. */
    expire: (id: string, column: 'lease_expires_at' | 'max_ends_at') =>
      postgres.durable.query(`UPDATE sessions SET ${column} = now() - interval '1 s' WHERE id = $1`, [id]),
  }
}

void t.test('retiring is a claim: what a session holds is left alone', async (t) => {
  const { ledger, store, open } = await fresh(t)
  const session = await open({ pod: podNamed('held') })
  t.same([...(await ledger.retire(['b', 'held', 'a', 'b'], 'surplus'))].sort(), ['a', 'b'])
  t.same([...(await ledger.retire(['a', 'c'], 'drift'))].sort(), ['a', 'c'], 'already retired is retired')
  const claims = await ledger.claimsOf(['a', 'b', 'c', 'held', 'unknown'])
  t.equal(claims.size, 4)
  t.match(claims.get('a'), { purpose: 'retired', sessionId: undefined, reason: 'surplus' })
  t.match(claims.get('held'), {
    purpose: 'session',
    sessionId: session.id,
    sessionStatus: 'PENDING',
    epoch: 1,
  })
  t.ok(Math.abs((claims.get('a')?.claimedAt ?? 0) - session.createdAt) < 5_000, 'epoch ms')
  t.same(await ledger.retire([], 'nothing'), [])
  const states = new Map(
    [...claims].map(([uid, { purpose, sessionStatus }]) => [uid, { purpose, sessionStatus }]),
  )
  t.same(await ledger.slotClaims(['a', 'b', 'c', 'held', 'unknown']), states)
  t.same(await ledger.claimsOf([]), new Map())
  await store.beginEnding(session.id, endReason.caller)
  t.match((await ledger.claimsOf(['held'])).get('held'), { sessionStatus: 'ENDING' })
})

void t.test('retiring and opening the same pods at once: each pod goes to one of them', async (t) => {
  const { ledger, store } = await fresh(t)
  const uids = Array.from({ length: 20 }, (_, n) => `pod-${n}`)
  const [retired, again, ...opens] = await Promise.all([
    ledger.retire(uids, 'surplus'),
    ledger.retire([...uids].reverse(), 'drift'),
    ...uids.map((uid) => store.commitOpen(newRecord({ pod: podNamed(uid) }))),
  ])
  const held = opens.flatMap((outcome) =>
    outcome.kind === 'committed' ? [outcome.session.pod?.uid ?? ''] : [],
  )
  t.same([...retired].sort(), [...again].sort())
  t.same([...retired, ...held].sort(), [...uids].sort())
})

void t.test('a session that went on to another pod has ended for the first one', async (t) => {
  const { ledger, store, open, expire } = await fresh(t)
  const { id } = await open({ pod: podNamed('first') })
  await expire(id, 'lease_expires_at')
  await ledger.lapse(10)
  await ledger.finishEnding([id])
  const ended = await store.get(id)
  assert.ok(ended)
  t.match(await store.reopen(ended, newRecord({ id, pod: podNamed('second'), epoch: 2 })), {
    kind: 'committed',
  })
  const claims = await ledger.claimsOf(['first', 'second'])
  t.equal(claims.get('first')?.sessionStatus, 'ENDED', 'or its pod would count as claimed for ever')
  t.equal(claims.get('second')?.sessionStatus, 'PENDING')
  t.match((await ledger.slotClaims(['first'])).get('first'), { sessionStatus: 'ENDED' })
})

void t.test('leases lapse with their reason, oldest first, as many as asked', async (t) => {
  const { ledger, store, open, expire, served } = await fresh(t)
  const [pending, late, long, live] = [await open(), await open(), await open(), await open()]
  for (const { id } of [late, long, live]) await store.activate(id, 1)
  await served()
  t.same(await ledger.lapse(10), [])
  await expire(long.id, 'max_ends_at')
  for (const { id } of [pending, late, long]) await expire(id, 'lease_expires_at')
  const reasons = new Map<string, string | undefined>()
  for (const limit of [2, 10]) {
    const lapsed = await ledger.lapse(limit)
    t.ok(lapsed.length <= limit)
    for (const session of lapsed) {
      t.equal(session.status, 'ENDING')
      reasons.set(session.id, session.endReason)
    }
  }
  t.same(
    reasons,
    new Map([
      [pending.id, 'failed:abandoned'],
      [late.id, 'lapsed:lease'],
      [long.id, 'lapsed:max-duration'],
    ]),
  )
  t.match(await store.get(live.id), { status: 'ACTIVE' })
  t.same(await ledger.lapse(10), [])
})

void t.test('two reapers at once end each session once', async (t) => {
  const { ledger, open, expire } = await fresh(t)
  for (let n = 0; n < 20; n += 1) await expire((await open()).id, 'lease_expires_at')
  const lapsed = (await Promise.all([ledger.lapse(100), ledger.lapse(100), ledger.lapse(100)])).flat()
  t.equal(lapsed.length, 20)
  t.equal(new Set(lapsed.map((session) => session.id)).size, 20)
})

void t.test('dead pods end their sessions; one that was never ACTIVE has failed', async (t) => {
  const { ledger, store, open } = await fresh(t)
  const [active, pending, over, other] = [await open(), await open(), await open(), await open()]
  await store.activate(active.id, 1)
  await store.beginEnding(over.id, endReason.caller)
  const ended = await ledger.endOnPods([
    { podUid: active.pod?.uid ?? '', reason: endReason.podDied },
    { podUid: pending.pod?.uid ?? '', reason: endReason.podDeleted },
    { podUid: over.pod?.uid ?? '', reason: endReason.podDied },
    { podUid: 'nobody', reason: endReason.podDied },
  ])
  t.same(
    new Map(ended.map((session) => [session.id, session.endReason])),
    new Map([
      [active.id, 'pod:died'],
      [pending.id, 'failed:delivery'],
    ]),
  )
  t.match(await store.get(over.id), { endReason: 'ended:caller' })
  t.same(
    (await ledger.liveSessions()).map((session) => session.id),
    [other.id],
  )
  t.same(await ledger.endOnPods([]), [])
})

void t.test('ending sessions are found oldest first and finished once', async (t) => {
  const { ledger, store, open } = await fresh(t)
  const [first, second, live] = [await open(), await open(), await open()]
  await store.beginEnding(second.id, endReason.caller)
  await store.beginEnding(first.id, endReason.agent)
  t.same(
    (await ledger.ending(10)).map((session) => session.id),
    [second.id, first.id],
  )
  t.equal((await ledger.ending(1)).length, 1)
  await ledger.finishEnding([first.id, live.id, newId()])
  t.match(await ledger.get(first.id), { status: 'ENDED', endReason: 'ended:agent' })
  t.match(await ledger.get(live.id), { status: 'PENDING' })
  const at = (await ledger.get(first.id))?.endedAt
  await ledger.finishEnding([first.id])
  t.equal((await ledger.get(first.id))?.endedAt, at)
  await ledger.finishEnding([])
  t.equal(await ledger.get(newId()), undefined)
})

/**
 * A node that nobody hears of: its pod hangs in its deletion, and the agent on it goes on. It took the session at epoch
 * 1, and must not meet another one of the same id and epoch, however long ago that was.
 */
void t.test('a key is not started again at epoch 1 while a claim of its old record is there', async (t) => {
  const { ledger, store, postgres } = await fresh(t)
  const query = (text: string) => postgres.durable.query(text)
  const reader = createPostgresInvariantReader(postgres)
  const { id } = newRecord()
  const open = (uid: string) => store.commitOpen(newRecord({ id, pod: podNamed(uid), fingerprint: 'f' }))
  const days = async (present: readonly string[]) => {
    await query(`
      UPDATE sessions SET created_at = created_at - interval '9 days', ended_at = ended_at - interval '9 days'
      WHERE status = 'ENDED'`)
    await query(`UPDATE session_events SET at = at - interval '9 days'`)
    await query(`UPDATE pod_claims SET at = at - interval '9 days'`)
    await ledger.noteGone(present)
    await query(`UPDATE pod_claims SET gone_at = gone_at - interval '9 days'`)
    const week = 7 * 24 * 3_600_000
    return ledger.purge({ sessionsAfterMs: week, claimsAfterMs: week, limit: 10 })
  }
  // The acknowledgement of the first pod is lost, and the pod hangs; the second one serves, and goes.
  await open('hangs')
  const first = await store.get(id)
  assert(first)
  await store.commitNextAttempt(first, { pod: podNamed('gone'), epoch: 2, reason: 'unreachable' })
  await store.activate(id, 2)
  await store.beginEnding(id, endReason.caller)
  await ledger.finishEnding([id])

  t.same(
    await days(['hangs']),
    { claims: 1, poolPods: 0, sessions: 0, events: 0 },
    'the record stays with its last claim',
  )
  const tried = await open('new')
  if (tried.kind === 'committed') await store.activate(id, 1)
  t.match(await store.renew(id, 1, true), { kind: 'stale-epoch' }, 'the agent that hangs keeps nothing alive')
  t.match(
    await store.beginEnding(id, endReason.agent, 1),
    { kind: 'stale-epoch' },
    'nor does it end anything',
  )
  t.match(tried, {
    kind: 'session-exists',
    session: { status: 'ENDED', endReason: 'ended:caller', epoch: 2 },
  })
  t.same(judgeLedger(await reader.read(['hangs']), defaultLimits).broken, [])

  t.same(await days([]), { claims: 1, poolPods: 0, sessions: 1, events: 5 }, 'all of it goes at once')
  t.match(await open('new'), { kind: 'committed', session: { epoch: 1 } })
  t.same(judgeLedger(await reader.read([]), defaultLimits).broken, [])
})

void t.test('a record that claimed no pod, or gave it back, waits for nothing', async (t) => {
  const { ledger, store, open, postgres } = await fresh(t)
  const { pod: _pod, warm: _warm, ...record } = newRecord()
  const cold = { ...record, heldByReplica: 'api-1', adoptable: true, pendingMs: 60_000, mostWaiting: 5 }
  await store.openCold(cold)
  await store.beginEnding(cold.id, endReason.caller)
  await ledger.finishEnding([cold.id])
  await store.failOpen(await open(), endReason.deliveryFailed, { kind: 'release' })
  await postgres.durable.query(`UPDATE sessions SET ended_at = now() - interval '9 days'`)
  t.match(await ledger.purge({ sessionsAfterMs: 1_000, claimsAfterMs: 1_000, limit: 10 }), { sessions: 2 })
})
