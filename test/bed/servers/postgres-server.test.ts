import pg from 'pg'
import t from 'tap'
import { isAlive } from '../../../bed/processes/is-alive.ts'
import { temporaryFolder } from '../../../bed/processes/temporary-folder.ts'
import { startPostgres } from '../../../bed/servers/postgres-server.ts'

async function queryOne(url: string, sql: string): Promise<unknown> {
  const database = new pg.Client({ connectionString: url })
  database.on('error', () => undefined)
  await database.connect()
  try {
    const { rows } = await database.query<Record<string, unknown>>(sql)
    return Object.values(rows[0] ?? {})[0]
  } finally {
    await database.end()
  }
}

void t.test('PostgreSQL: databases, templates, restart after a crash', async (t) => {
  const folder = await temporaryFolder('postgres')
  const begin = performance.now()
  const server = await startPostgres({ folder: folder.path, fsync: true })
  t.comment(`PostgreSQL up after ${Math.round(performance.now() - begin)} ms`)
  t.teardown(async () => {
    await server.stop()
    await folder.remove()
  })
  const template = await server.createDatabase('model')
  await queryOne(template, 'CREATE TABLE thing AS SELECT 42 AS answer')
  const copy = await server.createDatabase('copy', { template: 'model' })
  t.equal(await queryOne(copy, 'SELECT answer FROM thing'), 42)
  t.equal(await queryOne(copy, 'SHOW fsync'), 'on')
  t.equal(await queryOne(copy, 'SHOW max_connections'), '200')
  await server.kill()
  await server.restart()
  t.equal(await queryOne(copy, 'SELECT answer FROM thing'), 42, 'the data survives')
  const { pid } = server
  await server.stop()
  t.notOk(isAlive(pid))
})
