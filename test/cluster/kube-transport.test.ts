import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { until } from '../../bed/processes/until.ts'
import type { KubeAccess } from '../../src/cluster/kube-access.ts'
import { createKubeTransport, type KubeTransport } from '../../src/cluster/kube-transport.ts'
import { accessTo, statusBody } from './fake-api-server.ts'

async function serve(
  test: Test,
  listener: RequestListener,
  timeoutMs = 5_000,
  maxBodyBytes = 1024,
): Promise<{
  access: KubeAccess
  transport: KubeTransport
  connections: () => Promise<number>
  accepted: () => number
}> {
  const server = createServer(listener)
  let accepted = 0
  server.on('connection', () => {
    accepted += 1
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const access = accessTo(`http://127.0.0.1:${port}/prefix`)
  const transport = createKubeTransport(access, {
    timeoutMs,
    maxBodyBytes,
  })
  test.teardown(async () => {
    transport.close()
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  return {
    access,
    transport,
    accepted: () => accepted,
    connections: () =>
      new Promise((resolve, reject) =>
        server.getConnections((error, n) => (error ? reject(error) : resolve(n))),
      ),
  }
}

void t.test('requests share a connection; the path below the server address is kept', async (t) => {
  const { transport, accepted } = await serve(t, (request, response) => {
    request.resume().once('end', () => response.end(JSON.stringify({ url: request.url })))
  })
  for (let round = 0; round < 5; round += 1) {
    t.same(await transport.getJson('/api/v1/x?limit=1'), { url: '/prefix/api/v1/x?limit=1' })
  }
  t.equal(accepted(), 1)
})

void t.test('an error is the sentence of the API server', async (t) => {
  const { transport } = await serve(t, (_request, response) => {
    response.writeHead(429, { 'retry-after': '2' })
    response.end(statusBody(429, 'TooManyRequests', 'slow down'))
  })
  await t.rejects(transport.getJson('/x'), {
    message: 'slow down',
    status: 429,
    reason: 'TooManyRequests',
    retryAfterMs: 2_000,
  })
  await t.rejects(transport.openStream('/x', new AbortController().signal), {
    message: 'slow down',
    status: 429,
  })
})

void t.test('an error without a Status object', async (t) => {
  const { transport } = await serve(t, (_request, response) => {
    response.writeHead(502)
    response.end('<html>bad gateway</html>')
  })
  await t.rejects(transport.getJson('/x'), { message: 'the API server answered 502', status: 502 })
})

void t.test('no answer in time', async (t) => {
  const { transport, connections } = await serve(t, () => undefined, 100)
  const startedAt = performance.now()
  await t.rejects(transport.getJson('/x'), {
    message: /cannot be reached: no answer within 100 ms/,
    status: undefined,
  })
  await t.rejects(transport.openStream('/x', new AbortController().signal), {
    message: /no answer within 100 ms/,
  })
  t.ok(performance.now() - startedAt < 1_000)
  await until('the connections are closed', async () => (await connections()) === 0)
})

void t.test('an answer that stops in the middle counts as none', async (t) => {
  const { transport, connections } = await serve(
    t,
    (_request, response) => void response.write('{"half":'),
    100,
  )
  await t.rejects(transport.getJson('/x'), { message: /no answer within 100 ms/ })
  await until('the connection is closed', async () => (await connections()) === 0)
})

void t.test('a connection that never opens counts as no answer', async (t) => {
  // It accepts, but says nothing of TLS.
  const sockets: Socket[] = []
  const silent = createTcpServer((socket) => void sockets.push(socket)).listen(0, '127.0.0.1')
  await once(silent, 'listening')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    silent.close()
  })
  const address = `https://127.0.0.1:${(silent.address() as AddressInfo).port}`
  const transport = createKubeTransport(accessTo(address), { timeoutMs: 100 })
  const startedAt = performance.now()
  await t.rejects(transport.getJson('/x'), { message: /no answer within 100 ms/, status: undefined })
  t.ok(performance.now() - startedAt < 1_000)
  transport.close()
})

void t.test('an answer without end is given up', async (t) => {
  const { transport, connections } = await serve(t, (_request, response) => {
    response.write('x'.repeat(1_025))
  })
  await t.rejects(transport.getJson('/x'), { message: /the answer is longer than 1024 bytes/ })
  await until('the connection is closed', async () => (await connections()) === 0)
})

void t.test('after a timeout no idle connection is trusted', async (t) => {
  const { transport, accepted } = await serve(
    t,
    (request, response) => {
      if (!request.url?.includes('hang')) setTimeout(() => response.end('{}'), 5)
    },
    100,
  )
  await Promise.all([transport.getJson('/a'), transport.getJson('/b'), transport.getJson('/c')])
  t.equal(accepted(), 3)
  await t.rejects(transport.getJson('/hang'))
  await transport.getJson('/d')
  t.equal(accepted(), 4)
})

void t.test('a stream outlives the time limit and ends with its signal', async (t) => {
  const { transport, connections } = await serve(
    t,
    (_request, response) => {
      response.write('first\n')
      setTimeout(() => response.write('second\n'), 250)
    },
    100,
  )
  const controller = new AbortController()
  const stream = await transport.openStream('/x', controller.signal)
  const iterator = stream[Symbol.asyncIterator]()
  t.equal(String((await iterator.next()).value), 'first\n')
  t.equal(String((await iterator.next()).value), 'second\n')
  controller.abort(new Error('enough'))
  await t.rejects(iterator.next(), /enough/)
  await until('the connection is closed', async () => (await connections()) === 0)
})

void t.test('other certificates come with another connection; what is under way stays', async (t) => {
  let end: (() => void) | undefined
  const { access, accepted } = await serve(t, (request, response) => {
    if (request.url?.includes('watch')) {
      response.write('first\n')
      end = () => response.end('last\n')
    } else response.end('{}')
  })
  let ca = 'old'
  const credentials = () => Promise.resolve({ headers: {}, tls: { ca: Buffer.from(ca) } })
  const transport = createKubeTransport({ ...access, credentials })
  const watch = await transport.openStream('/watch', new AbortController().signal)
  await transport.getJson('/x')
  await transport.getJson('/x')
  t.equal(accepted(), 2)
  ca = 'new'
  await transport.getJson('/x')
  t.equal(accepted(), 3)
  end?.()
  t.equal(await text(watch), 'first\nlast\n')
  transport.close()
})

void t.test('a watch that has ended leaves its connection to the next request', async (t) => {
  const { transport, accepted } = await serve(t, (request, response) => {
    response.end(request.url?.includes('watch') ? 'event\n' : '{}')
  })
  const watch = await transport.openStream('/watch', new AbortController().signal)
  t.equal(await text(watch), 'event\n')
  await new Promise((resolve) => setImmediate(resolve))
  await transport.getJson('/x')
  t.equal(accepted(), 1)
})

void t.test('an aborted signal never starts a request', async (t) => {
  let requests = 0
  const { transport } = await serve(t, (_request, response) => {
    requests += 1
    response.end('{}')
  })
  await t.rejects(transport.getJson('/x', AbortSignal.abort(new Error('stopped'))), /stopped/)
  t.equal(requests, 0)
})

void t.test('nobody listens', async (t) => {
  const transport = createKubeTransport(accessTo('http://127.0.0.1:1'))
  await t.rejects(transport.getJson('/x'), {
    message: /cannot be reached: .*ECONNREFUSED/,
    status: undefined,
  })
  transport.close()
})
