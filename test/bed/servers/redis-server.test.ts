import { once } from 'node:events'
import { createServer } from 'node:net'
import t from 'tap'
import { isAlive } from '../../../bed/processes/is-alive.ts'
import { temporaryFolder } from '../../../bed/processes/temporary-folder.ts'
import { freePort } from '../../../bed/servers/free-port.ts'
import { startRedis } from '../../../bed/servers/redis-server.ts'
import { patientRedis } from '../../support/patient-redis.ts'

void t.test('Redis: port and socket, restart with and without its data, kill', async (t) => {
  const folder = await temporaryFolder('redis')
  const server = await startRedis({ folder: folder.path })
  const redis = patientRedis(server.url)
  const bySocket = patientRedis(server.socketPath)
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
  const redis = patientRedis(server.url)
  t.equal(await redis.ping(), 'PONG')
  redis.disconnect()
  await server.stop()
  await folder.remove()
})
