import { once } from 'node:events'
import { Agent, createServer, get, type RequestOptions } from 'node:http'
import { connect } from 'node:net'
import t, { type Test } from 'tap'
import { until } from '../../../bed/processes/until.ts'
import { startBalancer } from '../../../bed/replicas/balancer.ts'
import { freePort } from '../../../bed/servers/free-port.ts'

/** The bed's stand-in for a Service: a wrong one would make every test of several replicas worthless. */

async function startBackend(t: Test, name: string) {
  const backend = { url: '', ready: true, close: () => {} }
  const server = createServer((request, response) => {
    if (request.url === '/readyz') response.statusCode = backend.ready ? 200 : 503
    response.end(name)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  backend.url = `http://127.0.0.1:${port}`
  backend.close = () => {
    server.close()
    server.closeAllConnections()
  }
  t.teardown(backend.close)
  return backend
}

async function startBoth(t: Test, checkEveryMs = 10) {
  const [a, b] = await Promise.all([startBackend(t, 'a'), startBackend(t, 'b')])
  const balancer = await startBalancer({ backends: [a.url, b.url], checkEveryMs })
  t.teardown(() => balancer.stop())
  return { a, b, balancer }
}

/** Which backend answered; a connection of its own unless an agent is given. */
function ask(url: string, options: RequestOptions = { agent: false }): Promise<string> {
  return new Promise((resolve, reject) => {
    get(url, options, (answer) => {
      let text = ''
      answer.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk
      })
      answer.on('end', () => resolve(text))
    }).on('error', reject)
  })
}

async function askMany(url: string, times: number): Promise<string> {
  const answers: string[] = []
  for (let time = 0; time < times; time += 1) answers.push(await ask(url))
  return answers.sort().join('')
}

void t.test('connections go to the ready backends in turn', async (t) => {
  const { a, balancer } = await startBoth(t)
  t.equal(await askMany(balancer.url, 6), 'aaabbb')
  t.equal(balancer.accepted(a.url), 3)
})

void t.test('a backend that turns unready keeps its connections and gets no new ones', async (t) => {
  const { a, b, balancer } = await startBoth(t)
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  t.teardown(() => agent.destroy())
  const mine = await ask(balancer.url, { agent })
  const [own, other] = mine === 'a' ? [a, b] : [b, a]
  own.ready = false
  await until('the balancer to notice', () => !balancer.ready().includes(own.url))
  t.equal(await ask(balancer.url, { agent }), mine, 'the connection stays')
  const before = balancer.accepted(own.url)
  await askMany(balancer.url, 4)
  t.equal(balancer.accepted(own.url), before, 'nothing new')
  t.ok(balancer.accepted(other.url) >= 4)
  own.ready = true
  await until('the balancer to notice', () => balancer.ready().length === 2)
  t.equal(await askMany(balancer.url, 4), 'aabb')
})

void t.test('a backend that died since its last check is passed over before a byte was sent', async (t) => {
  // No second check: the balancer still believes what the first one said.
  const { a, balancer } = await startBoth(t, 60_000)
  a.close()
  t.same(balancer.ready().length, 2)
  t.equal(await askMany(balancer.url, 4), 'bbbb')
  t.equal(balancer.accepted(a.url), 0)
})

void t.test('a connection that is cut is cut for the caller, too', async (t) => {
  const { a, b, balancer } = await startBoth(t)
  const { hostname, port } = new URL(balancer.url)
  const socket = connect(Number(port), hostname)
  await once(socket, 'connect')
  await until('the backend', () => balancer.connections() === 1)
  const closed = once(
    socket.on('error', () => undefined),
    'close',
  )
  a.close()
  b.close()
  await closed
  t.pass('closed')
})

void t.test('without a ready backend a connection is reset, and again served when one comes', async (t) => {
  const port = await freePort()
  const balancer = await startBalancer({ backends: [`http://127.0.0.1:${port}`], checkEveryMs: 10 })
  t.teardown(() => balancer.stop())
  await t.rejects(ask(balancer.url), { code: 'ECONNRESET' })
  const server = createServer((_request, response) => response.end('late')).listen(port, '127.0.0.1')
  t.teardown(() => server.close())
  await until('the backend', () => balancer.ready().length === 1)
  t.equal(await ask(balancer.url), 'late')
})
