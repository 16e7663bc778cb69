import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { runner } from 'node-pg-migrate'
import { Client, type Pool } from 'pg'
import { GreenroomError } from '../errors.ts'
import type { Logger } from '../logging.ts'
import { pause } from '../timing/pause.ts'
import { changeWhileInUse } from './postgres-changes-in-use.ts'
import { grantRows } from './postgres-grants.ts'

const folder = fileURLToPath(new URL('./migrations', import.meta.url))
const table = 'greenroom_migrations'

interface MigrateOptions {
  /** Of the session server, if it is not the one that owns the schema: it may read and write rows. */
  readonly role?: string | undefined
}

/**
 * Applies what is missing, forward only. Concurrent runs are safe: one applies, the others wait and find it done. Throws
 * GRN_DATABASE_UNAVAILABLE with the reason if it cannot connect.
 */
export async function migrate(
  databaseUrl: string,
  logger: Logger,
  { role }: MigrateOptions = {},
): Promise<readonly string[]> {
  const client = new Client({ connectionString: databaseUrl })
  // A lost connection fails the query under way; without a listener the event would end the process.
  client.on('error', (error) => logger.warn({ err: error }, 'postgresql connection lost'))
  await client.connect().catch((error: NodeJS.ErrnoException) => {
    // A name with two addresses fails with a code and without a message.
    const reason = `PostgreSQL does not let the migration in: ${error.message || error.code}.`
    throw new GreenroomError('GRN_DATABASE_UNAVAILABLE', reason, { cause: error })
  })
  try {
    await waitForTurn(client)
    const applied = await applyMissing(client, logger)
    if (role !== undefined) await grantRows(client, role, logger)
    return applied
  } finally {
    await client.end()
  }
}

/** Everything before it is one transaction; what takes long comes next, while sessions are opened; then the rest. */
const afterLongChanges = '0021'

async function applyMissing(client: Client, logger: Logger): Promise<readonly string[]> {
  const { missing } = await missingMigrations(client)
  const early = missing.filter((name) => name < afterLongChanges)
  if (early.length === missing.length) return apply(client, early.length, logger)
  const first = await apply(client, early.length, logger)
  await changeWhileInUse(client)
  return [...first, ...(await apply(client, missing.length - early.length, logger))]
}

/** Applies the next ones, all or none. A migration may also tell a new database by this: the first ones have one time. */
async function apply(dbClient: Client, count: number, logger: Logger): Promise<readonly string[]> {
  const applied = await runner({
    dbClient,
    dir: folder,
    direction: 'up',
    count,
    singleTransaction: true,
    migrationsTable: table,
    advisoryLockMode: 'wait',
    logger: {
      debug: () => {},
      info: (message) => logger.debug({ migration: message }, 'migrating'),
      warn: (message) => logger.warn({ migration: message }, 'migrating'),
      error: (message) => logger.error({ migration: message }, 'migration failed'),
    },
  })
  return applied.map((migration) => migration.name)
}

const againMs = 200

/**
 * Takes an advisory lock, which ends with the connection. Asked for again and again: a statement that waited for it would
 * be waited for by an index that another run builds while the table is in use.
 */
async function waitForTurn(client: Client): Promise<void> {
  for (;;) {
    const { rows } = await client.query<{ held: boolean }>(
      `SELECT pg_try_advisory_lock(hashtext('greenroom.migrate')) AS held`,
    )
    if (rows[0]?.held) return
    await pause(againMs)
  }
}

/** Refuses a database whose schema is older than this version; throws GRN_SCHEMA_OUTDATED. */
export async function assertMigrated(pool: Pool): Promise<void> {
  const { missing } = await missingMigrations(pool)
  if (missing.length > 0) {
    throw new GreenroomError('GRN_SCHEMA_OUTDATED', `The database lacks the migration ${missing.join(', ')}.`)
  }
}

/** How many migrations the database has had, and the names of those that this version has besides. */
export async function missingMigrations(
  database: Pick<Pool, 'query'>,
): Promise<{ readonly applied: number; readonly missing: readonly string[] }> {
  const wanted = readdirSync(folder)
    .filter((name) => name.endsWith('.sql'))
    .map((name) => name.replace(/\.sql$/, ''))
  const exists = await database.query<{ found: boolean }>('SELECT to_regclass($1) IS NOT NULL AS found', [
    table,
  ])
  const done = exists.rows[0]?.found
    ? await database.query<{ name: string }>(`SELECT name FROM ${table}`)
    : { rows: [] }
  const names = new Set(done.rows.map((row) => row.name))
  return { applied: names.size, missing: wanted.filter((name) => !names.has(name)) }
}
