import { randomBytes, randomUUID } from 'node:crypto'
import t from 'tap'
import type { Session } from '../../src/domain/session.ts'
import { createListSessions, metadataBudgetBytes } from '../../src/sessions/list-sessions.ts'
import { createPostgresSessionStore } from '../../src/stores/postgres-session-store.ts'
import { newSession, startApi } from '../http/api-bed.ts'
import { postgresFor, startDatabase } from '../stores/store-servers.ts'
import { settledAlready } from '../support/nothing-unsettled.ts'

const database = await startDatabase(t)

const mib = 1024 * 1024

void t.test('metadata comes only when it is asked for, and a page ends where its budget does', async (t) => {
  const rows = Array.from({ length: 40 }, (_, n) => newSession({ id: randomUUID(), epoch: n + 1 }))
  const sizes = new Map(rows.map(({ id }, n) => [id, n % 10 === 0 ? undefined : 100_000]))
  const asked: string[][] = []
  const listSessions = createListSessions({
    settle: settledAlready,
    sessions: {
      list: async ({ limit }) => rows.slice(0, limit),
      async metadataOf(ids) {
        asked.push([...ids])
        const texts = ids.map((id) => [id, JSON.stringify({ x: 'x'.repeat(sizes.get(id) ?? 0) })] as const)
        return new Map(texts.filter(([id]) => sizes.get(id) !== undefined))
      },
    },
  })
  const bare = await listSessions({ limit: 30 }, false)
  t.match(bare, { hasMore: true, sessions: { length: 30 } })
  t.same(asked, [])
  const page = await listSessions({ limit: 30 }, true)
  // 0 has none, 1 to 9 have 900 kB, 10 has none, 11 has the tenth 100 kB, 12 would be beyond 1 MiB.
  t.match(page, { hasMore: true, sessions: { length: 12 } })
  t.equal(page.sessions[0]?.metadata, undefined)
  t.match(page.sessions[11]?.metadata, { x: /^x{100000}$/ })
  t.ok(asked.flat().length <= 16, 'what is not sent is hardly read')
  const huge = createListSessions({
    settle: settledAlready,
    sessions: {
      list: async ({ limit }) => rows.slice(0, limit),
      metadataOf: async (ids) => new Map(ids.map((id) => [id, `{"x":"${'x'.repeat(2 * mib)}"}`])),
    },
  })
  t.match(await huge({ limit: 30 }, true), { hasMore: true, sessions: { length: 1 } }, 'every page leads on')
  t.match(await huge({ limit: 40 }, false), { hasMore: false, sessions: { length: 40 } })
})

void t.test('200 sessions of 250 KB, six lists at once: every session once, and little memory', async (t) => {
  const postgres = await postgresFor(t, database)
  // Random text, which PostgreSQL cannot compress.
  const text = randomBytes(187_500).toString('base64')
  await postgres.durable.query(
    `INSERT INTO sessions (id, status, end_reason, agent_type, room_name, room, metadata, epoch, warm, lease_ms,
       lease_expires_at, max_ends_at, created_at, ended_at)
     SELECT gen_random_uuid(), 'ENDED', 'ended:caller', 'echo-agent', 'r', 'r',
       jsonb_build_object('n', n, 'x', $1::text), 1, true, 60000, now(), now(), now() - n * interval '1 s', now()
     FROM generate_series(1, 200) AS n`,
    [text],
  )
  const listSessions = createListSessions({
    settle: settledAlready,
    sessions: createPostgresSessionStore(postgres),
  })
  const api = await startApi(t, { listSessions })
  let peak = 0
  const before = process.memoryUsage.rss()
  const watch = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage.rss())
  }, 5)
  const walks = await Promise.all(
    Array.from({ length: 6 }, async (_, n) => {
      const fields = n % 2 === 0 ? '&fields=metadata' : ''
      const seen: number[] = []
      let cursor: string | undefined
      for (;;) {
        const more = cursor === undefined ? '' : `&cursor=${cursor}`
        const answer = await api.call('GET', `/v1/sessions?limit=200${fields}${more}`)
        // PostgreSQL may be late on a busy machine; a caller then asks again.
        if (answer.json().code === 'GRN_DATABASE_UNAVAILABLE') continue
        t.equal(answer.statusCode, 200, answer.body.slice(0, 400))
        if (answer.body.length > metadataBudgetBytes + 200_000) t.fail(`${answer.body.length} characters`)
        const page = answer.json() as { sessions: Pick<Session, 'metadata'>[]; nextCursor?: string }
        if (fields === '') t.ok(page.sessions.every(({ metadata }) => metadata === undefined))
        seen.push(...page.sessions.map(({ metadata }) => Number(metadata?.n ?? 0)))
        cursor = page.nextCursor
        if (cursor === undefined) break
      }
      return { fields, seen }
    }),
  )
  clearInterval(watch)
  for (const { fields, seen } of walks) {
    t.equal(seen.length, 200)
    if (fields !== '') t.equal(new Set(seen).size, 200, 'each once')
  }
  const grownMib = Math.round((Math.max(peak, process.memoryUsage.rss()) - before) / mib)
  t.comment(`${grownMib} MiB more while six callers listed 200 sessions of 250 KB`)
  // The product of before took 720 MiB. Most of this is garbage that nobody has collected yet.
  t.ok(grownMib < 400, `${grownMib} MiB`)
})
