import { execFileSync, spawn } from 'node:child_process'
import { appendFileSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Debian's PostgreSQL with the environment of the official image: `POSTGRES_USER`, `POSTGRES_PASSWORD`, `POSTGRES_DB`, `PGDATA`.
 * Like it, this one starts only with a password, makes the database in an empty folder, and as a user who is not root has to
 * own that folder.
 */
export async function runPostgres(args: readonly string[]): Promise<void> {
  const {
    POSTGRES_USER: user = 'postgres',
    POSTGRES_PASSWORD: password,
    POSTGRES_DB: database = user,
  } = process.env
  const data = process.env.PGDATA ?? '/var/lib/postgresql/data'
  if (!existsSync(join(data, 'PG_VERSION'))) {
    if (!password)
      throw new Error('Error: Database is uninitialized and superuser password is not specified.')
    initialise({ data, user, password, database })
  }
  // In the place of shared memory: a container has 64 MiB of it.
  const settings = ['-c', 'listen_addresses=*', '-c', 'dynamic_shared_memory_type=mmap']
  const server = spawn('postgres', [...(args.includes('-D') ? args : ['-D', data, ...args]), ...settings], {
    stdio: 'inherit',
  })
  // Fast shutdown: it does not wait for clients to leave.
  process.on('SIGTERM', () => server.kill('SIGINT'))
  const { promise, resolve } = Promise.withResolvers<number | null>()
  server.once('close', resolve)
  process.exitCode = (await promise) ?? 1
}

interface NewDatabase {
  readonly data: string
  readonly user: string
  readonly password: string
  readonly database: string
}

function initialise({ data, user, password, database }: NewDatabase): void {
  mkdirSync(data, { recursive: true, mode: 0o700 })
  const passwordFile = '/tmp/postgres-password'
  writeFileSync(passwordFile, password, { mode: 0o600 })
  const flags = [
    '--auth-local=trust',
    '--auth-host=scram-sha-256',
    '--encoding=UTF8',
    `--pwfile=${passwordFile}`,
  ]
  execFileSync('initdb', ['-D', data, '-U', user, ...flags], { stdio: ['ignore', 'ignore', 'inherit'] })
  rmSync(passwordFile)
  appendFileSync(join(data, 'pg_hba.conf'), 'host all all all scram-sha-256\n')
  if (database === 'postgres') return
  const name = database.replaceAll('"', '""')
  execFileSync('postgres', ['--single', '-D', data, 'postgres'], { input: `CREATE DATABASE "${name}"\n` })
}
