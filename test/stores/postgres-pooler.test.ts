import { chmod, chown, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Client } from 'pg'
import t, { type Test } from 'tap'
import { startProgram, untilReady } from '../../bed/processes/start-program.ts'
import { isRoot, systemUser } from '../../bed/processes/system-user.ts'
import { temporaryFolder } from '../../bed/processes/temporary-folder.ts'
import { freePort } from '../../bed/servers/free-port.ts'
import { findPgBouncer } from '../../bed/set-up/binaries.ts'
import { assertSettings, createPostgres } from '../../src/stores/postgres-client.ts'
import { migrate } from '../../src/stores/postgres-migrate.ts'
import { silent } from '../support/kept-log.ts'
import { postgresFor, startDatabase } from './store-servers.ts'

/** A real PgBouncer between Greenroom and PostgreSQL: refused at the start, with what to do instead. */

const database = await startDatabase(t)
const everyParameter =
  'options,statement_timeout,lock_timeout,idle_in_transaction_session_timeout,extra_float_digits'

/** Resolves with a URL of this database through PgBouncer. */
async function startPgBouncer(t: Test, url: string, settings: Record<string, string>) {
  const program = findPgBouncer()
  if (!program) throw new Error('pgbouncer is missing: run "npm run setup -- --tests" first')
  const folder = await temporaryFolder('pgbouncer')
  const [port, target] = [await freePort(), new URL(url)]
  const user = isRoot ? systemUser('nobody') : undefined
  await chmod(folder.path, 0o755)
  const lines = {
    listen_addr: '127.0.0.1',
    listen_port: String(port),
    unix_socket_dir: '',
    auth_type: 'any',
    ...settings,
  }
  const name = target.pathname.slice(1)
  const file = join(folder.path, 'pgbouncer.ini')
  await writeFile(
    file,
    `[databases]\n${name} = host=127.0.0.1 port=${target.port} user=${target.username}\n[pgbouncer]\n${Object.entries(
      lines,
    )
      .map(([key, value]) => `${key} = ${value}\n`)
      .join('')}`,
  )
  if (user) await chown(file, user.uid, user.gid)
  const logPath = join(folder.path, 'log')
  const running = await startProgram({
    command: program,
    args: [file],
    cwd: folder.path,
    logPath,
    ...(user && { user }),
  })
  t.teardown(async () => {
    await running.stop('SIGINT')
    await folder.remove()
  })
  const through = `postgresql://${target.username}@127.0.0.1:${port}/${name}`
  const answers = async () => {
    const client = new Client({ connectionString: through })
    client.on('error', () => undefined)
    try {
      await client.connect()
      await client.end()
      return true
    } catch {
      return false
    }
  }
  await untilReady(running, answers, { name: 'pgbouncer', logPath, timeoutMs: 10_000 })
  return through
}

async function refusalOf(t: Test, url: string): Promise<unknown> {
  const postgres = createPostgres(url, silent)
  t.teardown(() => postgres.close())
  return assertSettings(postgres).then(
    () => undefined,
    (error: unknown) => error,
  )
}

void t.test('without a pooler every setting is in force', async (t) => {
  const postgres = await postgresFor(t, database)
  await t.resolves(assertSettings(postgres))
})

void t.test('PgBouncer as it comes refuses the settings, and so is refused', async (t) => {
  const url = await startPgBouncer(t, await database.fresh(), { pool_mode: 'transaction' })
  t.match(await refusalOf(t, url), { code: 'GRN_DATABASE_POOLED', message: /the pooler refuses them/ })
})

void t.test(
  'PgBouncer that drops them is refused in every mode: nothing would end a statement',
  async (t) => {
    for (const mode of ['session', 'transaction', 'statement']) {
      const url = await startPgBouncer(t, await database.fresh(), {
        pool_mode: mode,
        ignore_startup_parameters: everyParameter,
      })
      t.match(
        await refusalOf(t, url),
        {
          code: 'GRN_DATABASE_POOLED',
          message: /statement_timeout, lock_timeout, plan_cache_mode, synchronous_commit/,
        },
        mode,
      )
    }
  },
)

void t.test(
  'settings of the role instead are not enough: a relaxed statement would share a durable connection',
  async (t) => {
    const direct = await database.fresh()
    const client = new Client({ connectionString: direct })
    await client.connect()
    for (const setting of [
      'statement_timeout = 900',
      'lock_timeout = 400',
      'plan_cache_mode = force_generic_plan',
    ])
      await client.query(`ALTER DATABASE ${new URL(direct).pathname.slice(1)} SET ${setting}`)
    await client.end()
    const url = await startPgBouncer(t, direct, {
      pool_mode: 'transaction',
      ignore_startup_parameters: everyParameter,
    })
    t.match(await refusalOf(t, url), { message: /not in force: synchronous_commit\./ })
  },
)

void t.test('the migration needs no setting, and runs through PgBouncer in session mode', async (t) => {
  const url = await startPgBouncer(t, await database.server.createDatabase('empty'), { pool_mode: 'session' })
  t.ok((await migrate(url, silent)).length > 5)
})
