import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import type { V1Container, V1CronJob, V1Deployment } from '@kubernetes/client-node'
import { Redis } from 'ioredis'
import { RoomServiceClient } from 'livekit-server-sdk'
import pg from 'pg'
import t from 'tap'
import { parseAllDocuments } from 'yaml'
import { startProgram } from '../../bed/processes/start-program.ts'
import { temporaryFolder } from '../../bed/processes/temporary-folder.ts'
import { until } from '../../bed/processes/until.ts'
import { root } from '../../bed/repository.ts'
import { freePort } from '../../bed/servers/free-port.ts'
import { startPostgres } from '../../bed/servers/postgres-server.ts'
import { findLiveKitServer, findPostgresClient, findRedisServer } from '../../bed/set-up/binaries.ts'

/** The programs of the components, started as their manifests have it: arguments, environment, configuration. */

const execute = promisify(execFile)

async function documentsOf<T>(file: string): Promise<(T & { readonly kind: string })[]> {
  const text = await readFile(join(root, 'manifests/components', file), 'utf8')
  return parseAllDocuments(text).map((document) => document.toJS() as T & { readonly kind: string })
}

function needed(program: string | undefined, name: string): string {
  if (!program) throw new Error(`${name} is missing: run "npm run setup" first`)
  return program
}

/** As Kubernetes does with $(NAME). */
function withVariables(words: readonly string[] = [], env: Readonly<Record<string, string>>): string[] {
  return words.map((word) => word.replace(/\$\((\w+)\)/g, (whole, name: string) => env[name] ?? whole))
}

void t.test('Redis asks for the password, shows it to nobody, and throws nothing out', async (t) => {
  await using folder = await temporaryFolder('component')
  const [deployment] = (await documentsOf<V1Deployment>('redis/redis.yaml')).filter(
    ({ kind }) => kind === 'Deployment',
  )
  const [container] = deployment?.spec?.template.spec?.containers ?? []
  const [password, port] = ['a1b2c3d4e5f6', await freePort()]
  const args = [...withVariables(container?.args, { REDIS_PASSWORD: password }), '--port', String(port)]
  const logPath = join(folder.path, 'redis.log')
  const program = await startProgram({ command: needed(findRedisServer(), 'redis-server'), args, logPath })
  t.teardown(() => program.stop('SIGKILL'))
  const redis = new Redis(`redis://:${password}@127.0.0.1:${port}`)
  // It tries again until the server listens.
  redis.on('error', () => {})
  t.teardown(() => redis.disconnect())
  t.strictSame(await redis.config('GET', 'maxmemory-policy'), ['maxmemory-policy', 'noeviction'])
  t.strictSame(await redis.config('GET', 'save'), ['save', ''])
  if (process.platform === 'linux')
    t.notMatch(
      await readFile(`/proc/${program.pid}/cmdline`, 'utf8'),
      password,
      'Redis writes over its arguments',
    )
  const stranger = new Redis(`redis://127.0.0.1:${port}`, { lazyConnect: true, retryStrategy: () => null })
  stranger.on('error', () => {})
  await t.rejects(stranger.get('greenroom:x'), /NOAUTH/)
  stranger.disconnect()
})

void t.test('LiveKit has its keys from the environment and listens where others reach it', async (t) => {
  await using folder = await temporaryFolder('component')
  const [configMap] = await documentsOf<{ data: Record<string, string> }>('livekit/configuration.yaml')
  const [port, tcp, udp] = [await freePort(), await freePort(), await freePort()]
  const ports: Readonly<Record<string, number>> = { 7880: port, 7881: tcp, 7882: udp }
  const text = (configMap?.data['livekit.yaml'] ?? '').replace(/\b788[012]\b/g, (name) => String(ports[name]))
  const path = join(folder.path, 'livekit.yaml')
  await writeFile(path, text)
  const secret = 'a'.repeat(48)
  const logPath = join(folder.path, 'livekit.log')
  const program = await startProgram({
    command: needed(findLiveKitServer(), 'livekit-server'),
    args: ['--config', path],
    env: { ...process.env, LIVEKIT_KEYS: `greenroom: ${secret}` },
    logPath,
  })
  t.teardown(() => program.stop('SIGKILL'))
  const rooms = new RoomServiceClient(`http://127.0.0.1:${port}`, 'greenroom', secret)
  t.strictSame(await until('an answer', async () => rooms.listRooms().catch(() => undefined)), [])
  const started = (await readFile(logPath, 'utf8'))
    .split('\n')
    .find((line) => line.includes('starting LiveKit'))
  t.match(started, '"bindAddresses": ["0.0.0.0"]')
})

void t.test('the backup replaces a dump by a whole one only', async (t) => {
  await using folder = await temporaryFolder('component')
  const postgres = await startPostgres({ folder: folder.path })
  t.teardown(() => postgres.stop())
  const url = new URL(await postgres.createDatabase('kept'))
  const client = new pg.Client({ connectionString: url.href })
  await client.connect()
  await client.query("CREATE TABLE kept AS SELECT 'before' AS word")
  await client.end()
  const backup = async (database: string) => {
    const [job] = (await documentsOf<V1CronJob>('backup/backup.yaml')).filter(
      ({ kind }) => kind === 'CronJob',
    )
    const container = job?.spec?.jobTemplate.spec?.template.spec?.containers[0]
    return runs(container, folder.path, {
      PATH: `${dirname(needed(findPostgresClient('pg_dump'), 'pg_dump'))}:${process.env['PATH']}`,
      PGHOST: url.hostname,
      PGPORT: url.port,
      PGUSER: url.username,
      PGDATABASE: database,
    })
  }
  t.match((await backup('kept')).stdout, /greenroom-[A-Z][a-z]{2}\.dump\n/)
  const [, name = ''] = /(greenroom-\w+\.dump)\n/.exec((await backup('kept')).stdout) ?? []
  const list = async () =>
    (
      await execute(needed(findPostgresClient('pg_restore'), 'pg_restore'), [
        '--list',
        join(folder.path, name),
      ])
    ).stdout
  t.match(await list(), /TABLE DATA public kept/)
  await t.rejects(backup('absent'), /database "absent" does not exist/)
  t.match(await list(), /TABLE DATA public kept/, 'the last whole dump is still there')
})

/** The container's words, with its volume in this folder. */
function runs(
  { command = [], args = [] }: Partial<V1Container> = {},
  folder: string,
  env: NodeJS.ProcessEnv,
) {
  const [program = '', ...words] = [...command, ...args].map((word) => word.replaceAll('/backup', folder))
  return execute(program, words, { env })
}
