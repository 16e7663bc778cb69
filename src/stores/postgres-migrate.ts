import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { runner } from 'node-pg-migrate'
import { Client, type Pool } from 'pg'
import { GreenroomError } from '../errors.ts'
import type { Logger } from '../logging.ts'
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
    const applied = await applyMissing(client, logger)
    if (role !== undefined) await grantRows(client, role, logger)
    return applied
  } finally {
    await client.end()
  }
}

async function applyMissing(dbClient: Client, logger: Logger): Promise<readonly string[]> {
  const applied = await runner({
    dbClient,
    dir: folder,
    direction: 'up',
    // All or nothing. A migration may also tell a new database by this: all of its migrations have one time.
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

/** Refuses a database whose schema is older than this version; throws GRN_SCHEMA_OUTDATED. */
export async function assertMigrated(pool: Pool): Promise<void> {
  const { missing } = await missingMigrations(pool)
  if (missing.length > 0) {
    throw new GreenroomError('GRN_SCHEMA_OUTDATED', `The database lacks the migration ${missing.join(', ')}.`)
  }
}

/** How many migrations the database has had, and the names of those that this version has besides. */
export async function missingMigrations(
  database: Pool,
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
