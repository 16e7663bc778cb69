import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { startProgram, untilReady } from '../../bed/processes/start-program.ts'
import { temporaryFolder } from '../../bed/processes/temporary-folder.ts'
import { until } from '../../bed/processes/until.ts'
import { root } from '../../bed/repository.ts'
import { freePort } from '../../bed/servers/free-port.ts'
import { findRedisServer } from '../../bed/set-up/binaries.ts'
import { canWrite, createRedis, createSubscriber } from '../../src/stores/redis-client.ts'
import { createRedisProjectQuotas } from '../../src/stores/redis-project-quotas.ts'
import { createRedisWakeBus } from '../../src/stores/redis-wake-bus.ts'
import { codeBlocks } from '../support/code-blocks.ts'
import { keptLog } from '../support/kept-log.ts'
import { indexOn } from './store-servers.ts'

/** What docs/operate/redis.md says of users, TLS and Redis Cluster, on real servers. */

const run = promisify(execFile)

async function startServer(t: Test, args: (folder: string, port: number) => readonly string[]) {
  const program = findRedisServer()
  if (!program) throw new Error('redis-server is missing: run "npm run setup" first')
  const folder = await temporaryFolder('redis-access')
  const port = await freePort()
  const logPath = join(folder.path, 'log')
  const socket = join(folder.path, 'socket')
  const own = ['--bind', '127.0.0.1', '--save', '', '--dir', folder.path, '--unixsocket', socket]
  const server = await startProgram({
    command: program,
    args: [...own, ...args(folder.path, port)],
    cwd: folder.path,
    logPath,
  })
  const admin = new Redis(socket, { lazyConnect: true, retryStrategy: () => 50 })
  admin.on('error', () => undefined)
  t.teardown(async () => {
    admin.disconnect()
    await server.stop()
    await folder.remove()
  })
  const answers = () => admin.ping().then(Boolean, () => false)
  await untilReady(server, answers, { name: 'redis', logPath, timeoutMs: 10_000 })
  return { admin, port, folder: folder.path }
}

/** Everything that Greenroom does with Redis: the index, the queue, wake-ups, the probe. */
async function useAll(t: Test, url: string): Promise<void> {
  const { logger, lines } = keptLog()
  const [redis, subscriber] = [createRedis(url, logger), createSubscriber(url, logger)]
  t.teardown(() => {
    redis.disconnect()
    subscriber.disconnect()
  })
  await until('a connection', () => redis.status === 'ready')
  const index = indexOn(redis)
  await index.rebuild('echo-agent', [{ podUid: 'a', rank: 1 }])
  await index.add('echo-agent', [{ podUid: 'b', rank: 2 }])
  t.equal(await index.size('echo-agent'), 2)
  t.equal(await index.noteFailure('echo-agent', 'a', 1_000), 1)
  await index.drop('echo-agent', ['a'])
  t.equal(await index.waiting('echo-agent'), 0)
  const quotas = createRedisProjectQuotas({ redis, logger, now: () => performance.now() })
  t.match(await quotas.countOpens('tea', 1, 1), { isTaken: true })
  const place = { projectId: 'tea', sessionId: 's', most: 1, forMs: 60_000 }
  t.equal(await quotas.takePlace(place), true)
  await quotas.leavePlace('tea', 's')
  t.ok(await canWrite(redis))
  const wakes = createRedisWakeBus({ publisher: redis, subscriber, logger })
  await wakes.start()
  const heard: string[] = []
  wakes.subscribe((wake) => void heard.push(wake.kind))
  await until('a wake-up', () => {
    wakes.publish({ kind: 'indexed', agentType: 'echo-agent' })
    return heard.includes('indexed')
  })
  t.notOk(
    lines.some((line) => line.includes('NOPERM')),
    'nothing was refused',
  )
}

void t.test('the user of the page may do all that Greenroom does, and nothing else', async (t) => {
  const { admin, port } = await startServer(t, (_folder, at) => ['--port', String(at)])
  const page = await readFile(join(root, 'docs/operate/redis.md'), 'utf8')
  const [rule] = codeBlocks(page, 'redis')
  const words = (rule ?? '').replaceAll('\\\n', ' ').trim().split(/\s+/)
  t.equal(
    await admin.call('ACL', ...words.slice(1).map((word) => (word === '>PASSWORD' ? '>secret' : word))),
    'OK',
  )
  await useAll(t, `redis://greenroom:secret@127.0.0.1:${port}`)
  const user = new Redis(`redis://greenroom:secret@127.0.0.1:${port}`)
  t.teardown(() => user.disconnect())
  await t.rejects(user.set('other', '1'), /NOPERM/)
  await t.rejects(user.flushall(), /NOPERM/)
  await t.rejects(user.config('SET', 'maxmemory', '1'), /NOPERM/)
})

void t.test('TLS: rediss://, with an authority of your own in NODE_EXTRA_CA_CERTS', async (t) => {
  const certificates = await temporaryFolder('redis-tls')
  t.teardown(() => certificates.remove())
  const [key, cert] = ['key.pem', 'cert.pem'].map((name) => join(certificates.path, name)) as [string, string]
  const made = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1'.split(' ')
  const subject = ['-subj', '/CN=redis', '-addext', 'subjectAltName=IP:127.0.0.1']
  await run('openssl', [...made, ...subject, '-keyout', key, '-out', cert])
  const tls = ['--tls-cert-file', cert, '--tls-key-file', key, '--tls-ca-cert-file', cert]
  const { port } = await startServer(t, (_folder, at) => {
    const ports = ['--port', '0', '--tls-port', String(at)]
    return [...ports, ...tls, '--tls-auth-clients', 'no']
  })
  const program = `
    import { canWrite, createRedis } from './src/stores/redis-client.ts'
    import { pino } from 'pino'
    const redis = createRedis('rediss://127.0.0.1:${port}', pino({ level: 'silent' }))
    await new Promise((resolve) => { redis.once('ready', resolve); setTimeout(resolve, 3_000) })
    console.log(await canWrite(redis))
    redis.disconnect()`
  const written = async (env: Record<string, string>) =>
    (
      await run(process.execPath, ['--input-type=module', '-e', program], {
        cwd: root,
        env: { ...process.env, ...env },
      })
    ).stdout
  t.match(await written({ NODE_EXTRA_CA_CERTS: cert }), /true/)
  t.match(await written({}), /false/, 'an unknown authority is not trusted')
})

void t.test(
  'Redis Cluster: one shard serves; with several, pools of the others go without the index',
  async (t) => {
    const { admin, port } = await startServer(t, (_folder, at) => [
      '--port',
      String(at),
      '--cluster-enabled',
      'yes',
    ])
    await admin.call('CLUSTER', 'ADDSLOTSRANGE', '0', '16383')
    await until('the cluster to be whole', async () =>
      String(await admin.call('CLUSTER', 'INFO')).includes('state:ok'),
    )
    await useAll(t, `redis://127.0.0.1:${port}`)

    const other = await startServer(t, (_folder, at) => ['--port', String(at), '--cluster-enabled', 'yes'])
    await other.admin.call('CLUSTER', 'ADDSLOTSRANGE', '0', '100')
    const redis = createRedis(`redis://127.0.0.1:${other.port}`, keptLog().logger)
    t.teardown(() => redis.disconnect())
    await until('a connection', () => redis.status === 'ready')
    t.equal(await indexOn(redis).size('echo-agent'), undefined, 'unknown, so opens go by the informer')
    t.equal(await canWrite(redis), false, 'and /readyz?verbose says degraded')
  },
)
