import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Worker } from 'node:worker_threads'
import t from 'tap'
import { isReady } from '../../../bed/replicas/is-ready.ts'

void t.test('a stall of this process takes no replica out', async (t) => {
  // On a thread of its own: it answers while this one stalls.
  const server = new Worker(
    `const { createServer } = require('node:http')
     const { parentPort } = require('node:worker_threads')
     const server = createServer((_, response) => response.end())
     server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port))`,
    { eval: true },
  )
  t.teardown(() => server.terminate())
  const [port] = (await once(server, 'message')) as [number]
  const asked = isReady(`http://127.0.0.1:${port}`)
  const until = performance.now() + 900
  while (performance.now() < until);
  t.equal(await asked, true)
})

void t.test('a replica that says no, hangs or is gone is not ready', async (t) => {
  const server = createServer((request, response) => {
    if (request.url === '/refusing/readyz') response.writeHead(503).end()
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => server.closeAllConnections())
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  t.equal(await isReady(`http://127.0.0.1:${port}/refusing`), false)
  t.equal(await isReady(`http://127.0.0.1:${port}/hanging`), false)
  t.equal(await isReady('http://127.0.0.1:1'), false)
})
