import { spawn } from 'node:child_process'
import { appendFile, chmod, chown, cp, mkdir, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import pg from 'pg'
import { type Program, startProgram, untilReady } from '../processes/start-program.ts'
import { canRead, isRoot, type SystemUser, systemUser } from '../processes/system-user.ts'
import { findPostgres, type PostgresBinaries } from '../set-up/binaries.ts'
import { freePort } from './free-port.ts'

export interface PostgresServer {
  /** Connection string of a database. */
  url(database: string): string
  /** Of the database `postgres`, as the superuser that owns everything. */
  readonly adminUrl: string
  readonly pid: number
  /** Resolves with its connection string. `template`: the database to copy, without connections at that moment. */
  createDatabase(name: string, options?: { readonly template?: string }): Promise<string>
  /** Makes a role that owns nothing; resolves with the connection string of this database as that role. */
  createRole(name: string, database: string): Promise<string>
  stop(): Promise<void>
  /** SIGKILL, as a crash; the data folder stays for restart(). */
  kill(): Promise<void>
  /** Starts it again after stop() or kill(), on the same port and data. */
  restart(): Promise<void>
}

interface PostgresOptions {
  readonly folder: string
  /** Off unless given: only benchmarks of durable commits need it. */
  readonly fsync?: boolean
  /** Also listens at this address of the machine; connections there need the password. */
  readonly exposed?: { readonly host: string; readonly password: string }
}

const superuser = 'greenroom'
const readyTimeoutMs = 20_000

/** A PostgreSQL of its own, on loopback unless `exposed`. */
export async function startPostgres(options: PostgresOptions): Promise<PostgresServer> {
  const found = findPostgres()
  if (!found) throw new Error('PostgreSQL is missing: run "npm run setup" first')
  const folder = join(options.folder, 'postgres')
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const user = isRoot ? unprivilegedUser() : undefined
  const binaries = user ? await readableBinaries(found, user, options.folder) : found
  if (user) await chown(folder, user.uid, user.gid)
  await initialise(binaries, folder, user)
  const port = await freePort()
  const { exposed } = options
  if (exposed) await appendFile(join(folder, 'data', 'pg_hba.conf'), 'host all all all scram-sha-256\n')
  const start = () =>
    startServer(binaries, { folder, port, user, fsync: options.fsync ?? false, host: exposed?.host })
  let server = await start()
  const authority = exposed
    ? `${superuser}:${exposed.password}@${exposed.host}:${port}`
    : `${superuser}@127.0.0.1:${port}`
  const url = (database: string) => `postgresql://${authority}/${database}`
  const adminUrl = url('postgres')
  if (exposed) {
    const local = `postgresql://${superuser}@127.0.0.1:${port}/postgres`
    await query(local, `ALTER ROLE ${superuser} PASSWORD ${pg.escapeLiteral(exposed.password)}`)
  }
  return {
    url,
    adminUrl,
    get pid() {
      return server.pid
    },
    createDatabase: async (name, { template = 'template1' } = {}) => {
      await query(
        adminUrl,
        `CREATE DATABASE ${pg.escapeIdentifier(name)} TEMPLATE ${pg.escapeIdentifier(template)}`,
      )
      return url(name)
    },
    createRole: async (name, database) => {
      await query(adminUrl, `CREATE ROLE ${pg.escapeIdentifier(name)} LOGIN`)
      return `postgresql://${name}@127.0.0.1:${port}/${database}`
    },
    // Fast shutdown: it does not wait for clients to leave.
    stop: () => server.stop('SIGINT'),
    kill: () => server.stop('SIGKILL'),
    restart: async () => {
      await server.stop('SIGINT')
      // A killed server leaves this file. Its pid may belong to another process by now.
      await rm(join(folder, 'data', 'postmaster.pid'), { force: true })
      server = await start()
    },
  }
}

/** PostgreSQL refuses to run as root. */
function unprivilegedUser(): SystemUser {
  const user = systemUser('postgres') ?? systemUser('nobody')
  if (!user)
    throw new Error('PostgreSQL must not run as root, and there is neither a user postgres nor nobody')
  return user
}

/** The npm package's binaries may lie below root's home, which that user cannot read. Then they are copied. */
async function readableBinaries(
  binaries: PostgresBinaries,
  user: SystemUser,
  folder: string,
): Promise<PostgresBinaries> {
  if (canRead(user, [binaries.postgres, binaries.initdb])) return binaries
  const copy = join(folder, 'postgres-program')
  await cp(dirname(dirname(binaries.postgres)), copy, { recursive: true, verbatimSymlinks: true })
  await chmod(copy, 0o755)
  const [initdb, postgres] = [join(copy, 'bin', 'initdb'), join(copy, 'bin', 'postgres')]
  if (!canRead(user, [initdb, postgres])) {
    throw new Error(`uid ${user.uid} may not read ${copy}: set TMPDIR to a folder that every user may enter`)
  }
  return { initdb, postgres, source: copy }
}

async function initialise(
  { initdb }: PostgresBinaries,
  folder: string,
  user: SystemUser | undefined,
): Promise<void> {
  // trust: only loopback and the private socket reach it, and the data is thrown away.
  const flags = ['--auth=trust', '--no-sync', '--no-instructions', '--no-locale', '--encoding=UTF8']
  const child = spawn(initdb, ['-D', join(folder, 'data'), '-U', superuser, ...flags], {
    stdio: ['ignore', 'ignore', 'pipe'],
    cwd: folder,
    ...user,
  })
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  child.once('error', reject)
  child.once('close', (code) =>
    code === 0 ? resolve() : reject(new Error(`initdb failed: ${stderr.trim()}`)),
  )
  await promise
}

interface ServerSettings {
  readonly folder: string
  readonly port: number
  readonly user: SystemUser | undefined
  readonly fsync: boolean
  /** Beside loopback. */
  readonly host: string | undefined
}

async function startServer(binaries: PostgresBinaries, settings: ServerSettings): Promise<Program> {
  const { folder, port, user, fsync, host } = settings
  const logPath = join(folder, 'postgres.log')
  const parameters = {
    listen_addresses: host === undefined ? '127.0.0.1' : `127.0.0.1,${host}`,
    port: String(port),
    unix_socket_directories: folder,
    max_connections: '200',
    fsync: fsync ? 'on' : 'off',
    full_page_writes: fsync ? 'on' : 'off',
    // In the data folder instead of /dev/shm: a killed server leaves nothing outside.
    dynamic_shared_memory_type: 'mmap',
  }
  const args = Object.entries(parameters).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const program = await startProgram({
    command: binaries.postgres,
    args: ['-D', join(folder, 'data'), ...args],
    cwd: folder,
    logPath,
    ...(user && { user }),
    deathSignal: 'QUIT',
  })
  const url = `postgresql://${superuser}@127.0.0.1:${port}/postgres`
  const isUp = () =>
    query(url, 'SELECT 1').then(
      () => true,
      () => false,
    )
  await untilReady(program, isUp, { name: 'postgres', logPath, timeoutMs: readyTimeoutMs })
  return program
}

async function query(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  // A server that is stopped tells its idle clients so.
  client.on('error', () => undefined)
  try {
    await client.connect()
    await client.query(sql)
  } finally {
    await client.end()
  }
}
