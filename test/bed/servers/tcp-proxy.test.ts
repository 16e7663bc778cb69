import { Redis } from 'ioredis'
import t from 'tap'
import { temporaryFolder } from '../../../bed/processes/temporary-folder.ts'
import { until } from '../../../bed/processes/until.ts'
import { startRedis } from '../../../bed/servers/redis-server.ts'
import { startTcpProxy } from '../../../bed/servers/tcp-proxy.ts'
import { patientRedis } from '../../support/patient-redis.ts'

void t.test('the proxy passes, delays, cuts, goes silent and drops replies', async (t) => {
  const folder = await temporaryFolder('proxy')
  const server = await startRedis({ folder: folder.path })
  const proxy = await startTcpProxy({ port: Number(new URL(server.url).port) })
  const direct = patientRedis(server.url)
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
