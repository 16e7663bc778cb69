import { rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { Redis } from 'ioredis'
import { Client } from 'pg'
import t from 'tap'
import { temporaryFolder } from '../../../bed/processes/temporary-folder.ts'
import { until } from '../../../bed/processes/until.ts'
import { startPostgres } from '../../../bed/servers/postgres-server.ts'
import { startRedis } from '../../../bed/servers/redis-server.ts'
import { startTcpProxy } from '../../../bed/servers/tcp-proxy.ts'
import { migrationsApplied } from '../../../src/cli/doctor-checks/migrations-applied.ts'
import { postgresqlClock } from '../../../src/cli/doctor-checks/postgresql-clock.ts'
import { postgresqlConnections } from '../../../src/cli/doctor-checks/postgresql-connections.ts'
import { postgresqlDurability } from '../../../src/cli/doctor-checks/postgresql-durability.ts'
import { postgresqlPooler } from '../../../src/cli/doctor-checks/postgresql-pooler.ts'
import { postgresqlTimeouts } from '../../../src/cli/doctor-checks/postgresql-timeouts.ts'
import { postgresqlVersion } from '../../../src/cli/doctor-checks/postgresql-version.ts'
import { redisClock } from '../../../src/cli/doctor-checks/redis-clock.ts'
import { redisEviction } from '../../../src/cli/doctor-checks/redis-eviction.ts'
import { redisMemory } from '../../../src/cli/doctor-checks/redis-memory.ts'
import { redisPersistence } from '../../../src/cli/doctor-checks/redis-persistence.ts'
import { redisVersion } from '../../../src/cli/doctor-checks/redis-version.ts'
import { migrate } from '../../../src/stores/postgres-migrate.ts'
import { look, statesOf } from '../../support/doctor-look.ts'
import { silent } from '../../support/kept-log.ts'

/** Each check of a store, on real servers: once well, once with the setting that it is there for. */

const redisChecks = [redisVersion, redisClock, redisEviction, redisPersistence, redisMemory]
const postgresChecks = [
  postgresqlVersion,
  postgresqlClock,
  postgresqlPooler,
  postgresqlDurability,
  postgresqlTimeouts,
  postgresqlConnections,
  migrationsApplied,
]

const folder = await temporaryFolder('doctor-stores')
const [redisServer, postgres] = await Promise.all([
  startRedis({ folder: folder.path }),
  startPostgres({ folder: folder.path, fsync: true }),
])
const redis = new Redis(redisServer.url)
t.teardown(async () => {
  redis.disconnect()
  await Promise.all([redisServer.stop(), postgres.stop()])
  await folder.remove()
})
const url = await postgres.createDatabase('greenroom')
await migrate(url, silent)
const admin = new Client({ connectionString: url })
await admin.connect()
t.teardown(() => admin.end())

const lookAtRedis = (shiftMs = 0) => look(redisChecks, { env: { REDIS_URL: redisServer.url }, shiftMs })
const lookAtPostgres = (databaseUrl = url, shiftMs = 0) =>
  look(postgresChecks, { env: { DATABASE_URL: databaseUrl }, shiftMs })

void t.test('Redis as it should be', async (t) => {
  t.same(statesOf(await lookAtRedis()), {
    'redis-version': 'ok',
    'redis-clock': 'ok',
    'redis-eviction': 'ok',
    'redis-persistence': 'ok',
    'redis-memory': 'ok',
  })
})

void t.test('Redis that evicts, and Redis that would', async (t) => {
  await redis.config('SET', 'maxmemory-policy', 'allkeys-lru')
  t.match((await lookAtRedis())['redis-eviction'], { state: 'warning', detail: /allkeys-lru/ })
  await redis.config('SET', 'maxmemory', '512mb')
  t.match((await lookAtRedis())['redis-eviction'], {
    state: 'failed',
    detail: 'maxmemory-policy is allkeys-lru with maxmemory 536870912.',
    fix: 'redis-cli -u "$REDIS_URL" config set maxmemory-policy noeviction',
  })
  await redis.config('SET', 'maxmemory-policy', 'noeviction')
  t.match((await lookAtRedis())['redis-memory'], { state: 'ok', detail: /of 512\.0 MiB/ })
  await redis.config('SET', 'maxmemory', '1')
  t.match((await lookAtRedis())['redis-memory'], { state: 'failed', fix: /config set maxmemory/ })
  await redis.config('SET', 'maxmemory', '0')
})

void t.test(
  'Redis whose snapshots fail, Redis that is a replica, Redis that knows neither time nor us',
  async (t) => {
    await rm(dirname(redisServer.socketPath), { recursive: true, force: true })
    await redis.bgsave()
    await until('the snapshot has failed', async () => /rdb_last_bgsave_status:err/.test(await redis.info()))
    t.match((await lookAtRedis())['redis-persistence'], {
      state: 'failed',
      detail: /the last snapshot failed/,
    })
    await redis.replicaof('127.0.0.1', 1)
    t.match((await lookAtRedis())['redis-version'], { state: 'failed', detail: /a replica/ })
    await redis.replicaof('NO', 'ONE')
    const ahead = await lookAtRedis(60_000)
    t.match(ahead['redis-clock'], {
      state: 'failed',
      detail: /Redis' clock is \d+\.\d s behind this machine's/,
    })
    const stranger = redisServer.url.replace('//', '//nobody:hunter2hunter2@')
    const refused = await look(redisChecks, { env: { REDIS_URL: stranger } })
    t.match(refused['redis-version'], { state: 'failed', detail: /Redis was not reached: / })
    t.match(refused['redis-memory'], { state: 'skipped', detail: 'Redis was not reached.' })
    t.notMatch(JSON.stringify(refused), /hunter2/)
  },
)

void t.test('PostgreSQL as it should be', async (t) => {
  t.same(statesOf(await lookAtPostgres()), {
    'postgresql-version': 'ok',
    'postgresql-clock': 'ok',
    'postgresql-pooler': 'ok',
    'postgresql-durability': 'ok',
    'postgresql-timeouts': 'ok',
    'postgresql-connections': 'ok',
    'migrations-applied': 'ok',
  })
})

void t.test('PostgreSQL with settings that break promises', async (t) => {
  const strange = await postgres.createRole('strange', 'greenroom')
  await admin.query('GRANT SELECT ON ALL TABLES IN SCHEMA public TO strange')
  const cases = [
    ['synchronous_commit = off', 'postgresql-durability', 'failed', /synchronous_commit is off/],
    ['synchronous_commit = local', 'postgresql-durability', 'warning', /is local/],
    ['idle_session_timeout = 60000', 'postgresql-timeouts', 'warning', /idle_session_timeout is 1min/],
    ['default_transaction_read_only = on', 'postgresql-timeouts', 'failed', /default_transaction_read_only/],
  ] as const
  for (const [setting, check, state, detail] of cases) {
    await admin.query(`ALTER ROLE strange SET ${setting}`)
    const found = (await lookAtPostgres(strange))[check]
    t.match(found, { state, detail, fix: /^psql/ }, setting)
    await admin.query(`ALTER ROLE strange RESET ALL`)
  }
  await admin.query('ALTER ROLE strange CONNECTION LIMIT 20')
  t.match((await lookAtPostgres(strange))['postgresql-connections'], {
    state: 'failed',
    detail: '20 connections are possible; 2 replicas need 166.',
  })
})

void t.test('PostgreSQL without a schema, with an old one, and with another clock', async (t) => {
  const empty = await postgres.createDatabase('empty')
  t.match((await lookAtPostgres(empty))['migrations-applied'], { state: 'failed', fix: 'npm run migrate' })
  t.match(
    (await look([migrationsApplied], { env: { DATABASE_URL: empty }, phase: 'any' }))['migrations-applied'],
    { state: 'skipped', detail: 'The database has no schema of Greenroom.' },
  )
  await admin.query(`DELETE FROM greenroom_migrations WHERE name LIKE '0003%'`)
  t.match((await lookAtPostgres())['migrations-applied'], { state: 'failed', detail: /lacks 0003/ })
  t.match((await lookAtPostgres(url, -60_000))['postgresql-clock'], { state: 'failed', detail: /ahead of/ })
})

void t.test('a store that takes a connection and says nothing delays no other', async (t) => {
  const proxy = await startTcpProxy({ port: Number(new URL(url).port) })
  t.teardown(() => proxy.stop())
  proxy.set('half-open')
  const silentUrl = new URL(url)
  silentUrl.port = String(proxy.port)
  const found = await look([...postgresChecks, ...redisChecks], {
    env: { DATABASE_URL: silentUrl.href, REDIS_URL: redisServer.url },
  })
  t.match(found['postgresql-version'], { state: 'failed', detail: /PostgreSQL was not reached: .*timeout/ })
  t.match(found['postgresql-durability'], { state: 'skipped' })
  t.match(found['redis-version'], { state: 'ok' })
})
