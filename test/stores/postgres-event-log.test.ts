import t, { type Test } from 'tap'
import { until } from '../../bed/processes/until.ts'
import type { NumberedEvent } from '../../src/domain/event-ports.ts'
import { endReason } from '../../src/domain/session.ts'
import { createPostgresClaimLedger } from '../../src/stores/postgres-claim-ledger.ts'
import { createPostgresEventLog } from '../../src/stores/postgres-event-log.ts'
import { createPostgresSessionStore } from '../../src/stores/postgres-session-store.ts'
import { newRecord } from './open-records.ts'
import { postgresFor, startDatabase } from './store-servers.ts'

const database = await startDatabase(t)

async function freshLog(t: Test) {
  const postgres = await postgresFor(t, database)
  const store = createPostgresSessionStore(postgres)
  return {
    postgres,
    store,
    ledger: createPostgresClaimLedger(postgres),
    log: createPostgresEventLog(postgres),
    run: async (overrides = {}): Promise<string> => {
      const record = newRecord(overrides)
      await store.commitOpen(record)
      await store.activate(record.id, 1)
      await store.beginEnding(record.id, endReason.caller)
      await createPostgresClaimLedger(postgres).finishEnding([record.id])
      return record.id
    },
  }
}

const typesOf = (events: readonly NumberedEvent[]) => events.map(({ event }) => event.type)

void t.test('events get numbers once, in the order of their session, and are read by them', async (t) => {
  const { log, run } = await freshLog(t)
  t.equal(await log.number(), 'nothing')
  const id = await run({ projectId: 'checkout' })
  t.same((await log.read(0)).events, [], 'what has no number yet is not read')
  t.equal(await log.number(), 'done')
  t.equal(await log.number(), 'nothing')
  const page = await log.read(0)
  t.same(typesOf(page.events), ['session.pending', 'session.active', 'session.ending', 'session.ended'])
  t.same(
    page.events.map(({ number }) => number),
    [1, 2, 3, 4],
  )
  t.match(page, { through: 4, hasMore: false })
  t.match(page.events[3]?.event, {
    id: '4',
    at: /^\d{4}-.*Z$/,
    projectId: 'checkout',
    agentType: 'echo-agent',
    sessionId: id,
    status: 'ENDED',
    epoch: 1,
    podUid: /./,
    endReason: 'ended:caller',
  })
  t.notOk('endReason' in (page.events[0]?.event ?? {}))
  t.same(typesOf((await log.read(2)).events), ['session.ending', 'session.ended'])
  t.same(await log.bounds(), { last: 4, purged: 0 })
})

void t.test('filters leave events out, and a page says where the next one begins all the same', async (t) => {
  const { log, run } = await freshLog(t)
  const id = await run({ projectId: 'a' })
  await run({ projectId: 'b', agentType: 'stella-agent' })
  await run()
  await log.note({ type: 'pool.empty', agentType: 'echo-agent', waiting: 2 })
  await log.number()
  t.equal((await log.read(0)).events.length, 13)
  const ofA = await log.read(0, { projectId: 'a' })
  t.equal(ofA.events.length, 4)
  t.equal(ofA.through, 13)
  t.equal((await log.read(0, { agentType: 'stella-agent' })).events.length, 4)
  t.same(typesOf((await log.read(0, { types: new Set(['pool.empty', 'session.ended']) })).events), [
    'pool.empty',
    'session.ended',
    'session.ended',
    'session.ended',
  ])
  t.equal((await log.read(0, { pools: false })).events.length, 12)
  t.equal((await log.read(0, { sessionId: id })).events.length, 4)
  t.match(await log.read(13, { projectId: 'a' }), { events: [], through: 13, hasMore: false })
  t.match(await log.read(9_999), { events: [], through: 9_999, hasMore: false })
})

void t.test(
  'events of other things have their place in the same order; a mark is written once',
  async (t) => {
    const { log, run } = await freshLog(t)
    await run()
    await log.number()
    const config = { type: 'pool.config', outcome: 'accepted', version: '7' } as const
    await Promise.all([1, 2, 3].map(() => log.note(config, 'accepted 7')))
    await run()
    await log.number()
    const { events } = await log.read(0)
    t.equal(events.length, 9)
    t.match(events[4], { event: config })
    const numbers = events.map(({ number }) => number)
    t.same(
      numbers,
      [...numbers].sort((a, b) => a - b),
    )
  },
)

void t.test('what is deleted leaves a trace, so that a follower can be told', async (t) => {
  const { log, run, ledger, postgres } = await freshLog(t)
  await run()
  await log.number()
  await log.note({ type: 'pool.recovered', agentType: 'echo-agent' })
  await run()
  await log.number()
  await postgres.durable.query(`UPDATE pod_claims SET gone_at = now() - interval '2 days'`)
  await postgres.durable.query(`UPDATE sessions SET ended_at = ended_at - interval '2 days' WHERE id IN (
    SELECT session_id FROM session_events WHERE number < 5)`)
  await postgres.durable.query(`UPDATE session_events SET at = at - interval '2 days'`)
  const purged = await ledger.purge({ sessionsAfterMs: 1_000, claimsAfterMs: 1_000, limit: 100 })
  t.equal(purged.events, 4)
  t.same(await log.bounds(), { last: 9, purged: 4 })
  t.equal((await log.read(0)).events.length, 5)
  await postgres.durable.query(`UPDATE platform_events SET at = at - interval '2 days'`)
  t.equal(await log.purge({ afterMs: 1_000, limit: 100 }), 1)
  t.same(await log.bounds(), { last: 9, purged: 5 })
})

void t.test('a reader never passes a number that is not committed, whoever writes beside it', async (t) => {
  const { log, run, postgres, store } = await freshLog(t)
  // A transaction that took its place in the order long ago, and commits last.
  const slow = await postgres.fresh.connect()
  await slow.query('BEGIN')
  await slow.query(`SET LOCAL idle_in_transaction_session_timeout = 0`)
  const late = newRecord()
  await store.commitOpen(late)
  await slow.query(`UPDATE sessions SET status = 'ACTIVE' WHERE id = $1`, [late.id])
  const seen: NumberedEvent[] = []
  let through = 0
  const read = async () => {
    for (;;) {
      const page = await log.read(through)
      for (const event of page.events) {
        if (event.number <= through) t.fail(`${event.number} came after ${through}`)
        seen.push(event)
      }
      through = page.through
      if (!page.hasMore) return
    }
  }
  let writing = true
  const writers = Array.from({ length: 6 }, async () => {
    for (let turn = 0; turn < 25; turn += 1) {
      await run()
      if (turn % 5 === 0) await log.note({ type: 'pool.empty', agentType: 'echo-agent', waiting: turn })
    }
  })
  const numberers = Array.from({ length: 3 }, async () => {
    while (writing) await log.number()
  })
  const reader = (async () => {
    while (writing) await read()
  })()
  await Promise.all(writers)
  await slow.query('COMMIT')
  slow.release(true)
  writing = false
  await Promise.all([...numberers, reader])
  await until('the last number', async () => (await log.number()) === 'nothing')
  await read()
  t.equal(seen.length, 6 * 25 * 4 + 6 * 5 + 2)
  t.equal(new Set(seen.map(({ number }) => number)).size, seen.length)
  t.equal((await log.bounds()).last, through)
  const bySession = new Map<string, string[]>()
  for (const { event } of seen) {
    if (!('sessionId' in event)) continue
    bySession.set(event.sessionId, [...(bySession.get(event.sessionId) ?? []), event.status])
  }
  t.equal(bySession.size, 6 * 25 + 1)
  for (const [id, statuses] of bySession) {
    const wanted = id === late.id ? ['PENDING', 'ACTIVE'] : ['PENDING', 'ACTIVE', 'ENDING', 'ENDED']
    if (statuses.join() !== wanted.join()) t.same(statuses, wanted, id)
  }
})
