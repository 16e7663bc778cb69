import t from 'tap'
import { createPostgresInvariantReader } from '../../src/stores/postgres-invariant-reader.ts'
import { newId } from './open-records.ts'
import { postgresFor, startDatabase } from './store-servers.ts'

const database = await startDatabase(t)

async function bed(t: Parameters<typeof postgresFor>[0]) {
  const postgres = await postgresFor(t, database, { max: 2 })
  const run = (text: string, values: unknown[] = []) => postgres.durable.query(text, values)
  return {
    postgres,
    run,
    reader: createPostgresInvariantReader(postgres),
    addSession: async (podUid: string | null, status: string, age = '0 seconds'): Promise<string> => {
      const id = newId()
      await run(
        `INSERT INTO sessions (id, status, end_reason, agent_type, room_name, room, epoch, pod_uid, pod_name, pod_ip,
           warm, lease_ms, lease_expires_at, max_ends_at, created_at, active_at, ended_at)
         VALUES ($1, $2, CASE WHEN $2 LIKE 'END%' THEN 'ended:caller' END, 'echo-agent', 'l', 'r', 2, $3, $3, $3, true,
           60000, now() + '1 minute', now() + '1 hour', now() - $4::interval, now() - $4::interval,
           CASE WHEN $2 = 'ENDED' THEN now() - $4::interval END)`,
        [id, status, podUid, age],
      )
      return id
    },
    addClaim: (podUid: string, sessionId: string | null, { gone = false } = {}) =>
      run(
        `INSERT INTO pod_claims (pod_uid, purpose, session_id, epoch, gone_at)
         VALUES ($1, CASE WHEN $2::uuid IS NULL THEN 'retired' ELSE 'session' END, $2, 2, CASE WHEN $3 THEN now() END)`,
        [podUid, sessionId, gone],
      ),
  }
}

void t.test('sessions that are not over or were lately, and what the claims of pods name', async (t) => {
  const { reader, addSession, addClaim } = await bed(t)
  const active = await addSession('on-active', 'ACTIVE', '1 day')
  const cold = await addSession(null, 'PENDING')
  const ending = await addSession('on-ending', 'ENDING')
  const lately = await addSession('on-lately', 'ENDED', '1 minute')
  const old = await addSession('on-old', 'ENDED', '1 hour')
  const forgotten = await addSession('on-forgotten', 'ENDED', '1 hour')
  for (const [podUid, id] of [
    ['on-active', active],
    ['on-lately', lately],
    ['still-there', old],
    ['on-old', old],
    ['on-forgotten', forgotten],
  ] as const)
    await addClaim(podUid, id, { gone: podUid !== 'on-active' })
  await addClaim('second-of-active', active)
  await addClaim('retired', null)
  const { nowMs, sessions, claims } = await reader.read(['still-there', 'never-claimed'])
  t.ok(Math.abs(nowMs - Date.now()) < 5_000)
  t.same(sessions.map(({ id }) => id).sort(), [active, cold, ending, lately, old].sort())
  t.same(
    claims.map(({ podUid }) => podUid).sort(),
    ['on-active', 'on-lately', 'on-old', 'retired', 'second-of-active', 'still-there'],
    'of the pods asked for and of all sessions, and of pods that may be there',
  )
  const session = sessions.find(({ id }) => id === active)
  t.match(session, { status: 'ACTIVE', agentType: 'echo-agent', epoch: 2, podUid: 'on-active' })
  t.equal(Math.round(((session?.leaseExpiresAt ?? 0) - nowMs) / 1_000), 60)
  t.equal(session?.endedAt, undefined)
  t.equal(sessions.find(({ id }) => id === cold)?.podUid, undefined)
  t.match(
    claims.find(({ podUid }) => podUid === 'retired'),
    { purpose: 'retired', sessionId: undefined },
  )
})

void t.test('rows that no constraint would allow come as they are, both of them', async (t) => {
  const { reader, run, addClaim, addSession } = await bed(t)
  await run('ALTER TABLE pod_claims DROP CONSTRAINT pod_claims_pkey')
  const id = await addSession('x', 'ACTIVE')
  await addClaim('x', id)
  await addClaim('x', null)
  t.equal((await reader.read([])).claims.length, 2)
  t.equal((await reader.read(['x'])).claims.length, 2)
})

void t.test('one moment for all statements: what is committed in between is not seen by half', async (t) => {
  const { postgres, run, addSession, addClaim } = await bed(t)
  const id = await addSession('x', 'ACTIVE')
  await addClaim('x', id)
  // Changes the rows between the reader's statements, through another connection of the pool.
  let statements = 0
  const durable = {
    async connect() {
      const client = await postgres.durable.connect()
      return {
        release: (broken?: boolean) => client.release(broken),
        async query(query: { text: string }) {
          if (query.text.includes('FROM pod_claims')) await run('DELETE FROM pod_claims')
          statements += 1
          return client.query(query)
        },
      }
    },
  } as unknown as typeof postgres.durable
  const { claims, sessions } = await createPostgresInvariantReader({ durable }).read([])
  t.ok(statements > 3)
  t.equal(sessions.length, 1)
  t.equal(claims.length, 1, 'the claim as it was when the sessions were read')
  t.equal((await run('SELECT FROM pod_claims')).rowCount, 0)
})

void t.test('thousands of pods beside thousands of claims are read in time', async (t) => {
  const { run, reader } = await bed(t)
  for (let part = 0; part < 6; part += 1)
    await run(
      `INSERT INTO pod_claims (pod_uid, purpose) SELECT 'pod-' || n, 'retired' FROM generate_series($1::int, $1::int + 9999) AS n`,
      [part * 10_000],
    )
  await run('ANALYZE pod_claims')
  const { claims } = await reader.read(Array.from({ length: 5_000 }, (_, n) => `pod-${n}`))
  t.equal(claims.length, 35_000, 'those asked for and the newest, each once')
})

void t.test(
  'a database that does not answer: an error with its code, and the connection is given back',
  async (t) => {
    const { postgres, reader, run } = await bed(t)
    await run('ALTER TABLE pod_claims RENAME TO hidden')
    await t.rejects(reader.read([]), /pod_claims/, 'our own mistake is not called an outage')
    await run('ALTER TABLE hidden RENAME TO pod_claims')
    t.match(await reader.read([]), { sessions: [], claims: [] })
    t.equal(postgres.durable.idleCount + postgres.durable.waitingCount, postgres.durable.totalCount)
    await run('BEGIN')
    await database.server.stop()
    await t.rejects(reader.read([]), { code: 'GRN_DATABASE_UNAVAILABLE' })
  },
)
