import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { Redis } from 'ioredis'
import pg from 'pg'
import t from 'tap'
import { isAlive } from '../../../bed/processes/is-alive.ts'
import { temporaryFolder } from '../../../bed/processes/temporary-folder.ts'
import { until } from '../../../bed/processes/until.ts'
import { root } from '../../../bed/repository.ts'
import { freePort } from '../../../bed/servers/free-port.ts'
import { startPostgres } from '../../../bed/servers/postgres-server.ts'
import { startRedis } from '../../../bed/servers/redis-server.ts'
import { startTcpProxy } from '../../../bed/servers/tcp-proxy.ts'

function client(url: string): Redis {
  const redis = new Redis(url, { retryStrategy: () => 20, maxRetriesPerRequest: null })
  // Faults are what these tests make; ioredis tells of each.
  redis.on('error', () => undefined)
  return redis
}

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

void t.test('Redis: port and socket, restart with and without its data, kill', async (t) => {
  const folder = await temporaryFolder('redis')
  const server = await startRedis({ folder: folder.path })
  const redis = client(server.url)
  const bySocket = client(server.socketPath)
  t.teardown(async () => {
    redis.disconnect()
    bySocket.disconnect()
    await server.stop()
    await folder.remove()
  })
  await redis.set('key', 'value')
  t.equal(await bySocket.get('key'), 'value')
  const pid = server.pid
  await server.restart()
  t.not(server.pid, pid)
  t.notOk(isAlive(pid))
  t.equal(await redis.get('key'), 'value', 'a restart keeps the data')
  await server.restart({ flush: true })
  t.equal(await redis.get('key'), null, 'unless told otherwise')
  await redis.set('key', 'again')
  await server.kill()
  t.notOk(isAlive(server.pid))
  await server.restart({ flush: true })
  t.equal(await redis.get('key'), null)
})

void t.test('Redis: a port that somebody listens on is refused; a socket alone will do', async (t) => {
  const folder = await temporaryFolder('redis')
  const port = await freePort()
  const other = createServer()
  other.listen(port, '127.0.0.1')
  await once(other, 'listening')
  await t.rejects(startRedis({ folder: folder.path, port }), { message: /something else listens/ })
  other.close()
  const server = await startRedis({ folder: folder.path, socketOnly: true })
  const redis = client(server.url)
  t.equal(await redis.ping(), 'PONG')
  redis.disconnect()
  await server.stop()
  await folder.remove()
})

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

void t.test('the proxy passes, delays, cuts, goes silent and drops replies', async (t) => {
  const folder = await temporaryFolder('proxy')
  const server = await startRedis({ folder: folder.path })
  const proxy = await startTcpProxy({ port: Number(new URL(server.url).port) })
  const direct = client(server.url)
  const through = new Redis({
    host: proxy.host,
    port: proxy.port,
    commandTimeout: 300,
    retryStrategy: () => 10,
  })
  through.on('error', () => undefined)
  t.teardown(async () => {
    direct.disconnect()
    through.disconnect()
    await proxy.stop()
    await server.stop()
    await folder.remove()
  })
  t.equal(await through.ping(), 'PONG')

  proxy.set('delay', { delayMs: 50 })
  const begin = performance.now()
  t.equal(await through.ping(), 'PONG')
  t.ok(performance.now() - begin >= 100, '50 ms each way')

  proxy.set('drop-replies')
  await t.rejects(through.incr('counter'), { message: /timed out/ })
  t.equal(await direct.get('counter'), '1', 'the request took effect')

  proxy.set('half-open')
  await t.rejects(through.incr('counter'), { message: /timed out/ })
  t.equal(await direct.get('counter'), '1', 'the request did not arrive')

  proxy.set('pass')
  const { promise: closed, resolve: onClose } = Promise.withResolvers<void>()
  through.once('close', onClose)
  proxy.cut()
  await closed
  // ioredis sends again what a cut left without an answer; a new connection serves it.
  t.equal(await through.ping(), 'PONG')

  proxy.set('refuse')
  await until('every connection is closed', () => proxy.connections() === 0)
  proxy.set('pass')
  t.equal(await through.ping(), 'PONG')
})

void t.test('nothing outlives a starter that is killed with -9: no process, no folder', async (t) => {
  const script = `
    const bed = ${JSON.stringify(join(root, 'bed/'))}
    const { temporaryFolder } = await import(bed + 'processes/temporary-folder.ts')
    const { startRedis } = await import(bed + 'servers/redis-server.ts')
    const { startPostgres } = await import(bed + 'servers/postgres-server.ts')
    const folder = await temporaryFolder('victim')
    const redis = await startRedis({ folder: folder.path })
    const postgres = await startPostgres({ folder: folder.path })
    console.log(JSON.stringify({ folder: folder.path, pids: [redis.pid, postgres.pid] }))`
  const victim = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(() => victim.kill('SIGKILL'))
  const [line] = (await once(createInterface({ input: victim.stdout }), 'line')) as [string]
  const { folder, pids } = JSON.parse(line) as { folder: string; pids: number[] }
  t.ok(pids.every(isAlive))
  t.ok(existsSync(folder))
  victim.kill('SIGKILL')
  await until('both servers are dead', () => !pids.some(isAlive), 5_000)
  await until('the folder is gone', () => !existsSync(folder), 5_000)
  t.notOk(pids.some(isAlive))
})
