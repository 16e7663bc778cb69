import t from 'tap'
import { createPostgresSigners } from '../../src/stores/postgres-signers.ts'
import { postgresFor, startDatabase } from './store-servers.ts'

const database = await startDatabase(t)

void t.test(
  'each process says what it signs with, until it leaves or was not heard for a while',
  async (t) => {
    const postgres = await postgresFor(t, database)
    const signers = createPostgresSigners(postgres)
    const pass = (seconds: number, instance: string) =>
      postgres.durable.query(
        `UPDATE signing_processes SET noted_at = noted_at - $1 * interval '1 s' WHERE instance = $2`,
        [seconds, instance],
      )
    const count = async () => (await postgres.durable.query('SELECT FROM signing_processes')).rowCount
    t.same(await signers.since(60_000), [])
    await signers.note('api-1', ['new', 'old'])
    await signers.note('api-2', ['old'])
    await signers.note('api-2', ['new'])
    t.same(
      new Set(await signers.since(60_000)),
      new Set([['new', 'old'], ['new']]),
      'a change is noted at once',
    )
    await pass(61, 'api-2')
    t.same(await signers.since(60_000), [['new', 'old']])
    await signers.note('api-2', ['new'])
    t.equal((await signers.since(60_000)).length, 2, 'it is heard again')
    await signers.leave('api-1')
    t.same(await signers.since(60_000), [['new']])
    await pass(2 * 86_400, 'api-2')
    t.same(await signers.since(60_000), [])
    t.equal(await count(), 0, 'who was not heard for a day is forgotten')
  },
)
