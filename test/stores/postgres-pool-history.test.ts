import t from 'tap'
import { until } from '../../bed/processes/until.ts'
import { createPostgresPoolHistory } from '../../src/stores/postgres-pool-history.ts'
import { freshStoreOn, opened } from './session-store-bed.ts'
import { startDatabase } from './store-servers.ts'

const database = await startDatabase(t)
const sample = { agentType: 'echo-agent', idle: 2, claimed: 1, waiting: 0 }

async function start(t: Parameters<typeof freshStoreOn>[1]) {
  const { store, postgres } = await freshStoreOn(database, t)
  return {
    store,
    history: createPostgresPoolHistory(postgres),
    sql: (text: string) => postgres.durable.query(text),
    count: async () => (await postgres.durable.query('SELECT FROM pool_history')).rowCount,
  }
}

void t.test('a point a pool and minute; the first one of a minute counts', async (t) => {
  const { history, sql } = await start(t)
  await history.add([sample, { ...sample, agentType: 'other', idle: 9, waiting: undefined }])
  // Back by a minute, so that what follows is of another one, however slow this machine is.
  await sql(`UPDATE pool_history SET at = date_trunc('minute', now()) - interval '1 minute'`)
  await history.add([{ ...sample, idle: 3 }])
  await history.add([{ ...sample, idle: 4 }])
  const points = await history.read('echo-agent', 60)
  t.equal(points[0]?.idle, 2, 'oldest first')
  t.equal(points[1]?.idle, 3)
  t.match(points[0]?.at, /:00\.000Z$/)
  t.match(await history.read('other', 60), [{ idle: 9, waiting: undefined, hitRate: undefined }])
  t.same(await history.read(`x' OR '1'='1`, 60), [])
})

void t.test('the hit rate of the minute that is over', async (t) => {
  const { history, store, sql } = await start(t)
  for (const warm of [true, true, true, false]) await opened(store, { warm })
  await opened(store, { warm: false, agentType: 'other' })
  const { id } = await opened(store, { warm: false })
  // Once more if the minute ends in the middle.
  const point = await until('a point with its minute', async () => {
    await sql(`DELETE FROM pool_history`)
    await sql(
      `UPDATE sessions SET created_at = date_trunc('minute', now()) - interval '30 seconds' WHERE id <> '${id}'`,
    )
    await history.add([sample])
    const [found] = await history.read('echo-agent', 60)
    return found?.hitRate === undefined ? undefined : found
  })
  t.equal(point.hitRate, 0.75, 'without those of this minute and of other pools')
})

void t.test('what is older than a day goes, bit by bit', async (t) => {
  const { history, sql, count } = await start(t)
  await sql(`INSERT INTO pool_history SELECT 'old-' || n, now() - interval '25 hours', 0, 0, 0, 0, 0
    FROM generate_series(1, 2500) AS n`)
  await sql(`INSERT INTO pool_history VALUES ('echo-agent', now() - interval '23 hours', 1, 1, NULL, 0, 0)`)
  await history.add([sample])
  t.equal(await count(), 502)
  await sql(`UPDATE pool_history SET at = at - interval '1 minute' WHERE agent_type = 'echo-agent'`)
  await history.add([sample])
  t.equal(await count(), 3)
  t.equal((await history.read('echo-agent', 1_440)).length, 3)
  t.ok((await history.read('echo-agent', 60)).length < 3)
})
