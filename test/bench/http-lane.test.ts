import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { wholeAnswer } from './http-lane.ts'
import { endAll, type LoadTarget, runLoad } from './load-generator.ts'

void t.test('an answer is whole when its content-length has come', (t) => {
  const text = 'HTTP/1.1 201 Created\r\nLocation: /v1/sessions/1\r\nContent-Length: 4\r\n\r\nabcd'
  for (let length = 0; length < text.length; length += 1)
    if (wholeAnswer(text.slice(0, length)) !== undefined) t.fail(`whole after ${length} characters`)
  t.same(wholeAnswer(text), { status: 201, location: '/v1/sessions/1' })
  t.same(wholeAnswer('HTTP/1.1 204 No Content\r\n\r\n'), { status: 204, location: undefined })
  t.end()
})

void t.test('the load generator counts answers, keeps locations and ends what it opened', async (t) => {
  const seen: {
    readonly line: string
    readonly key: unknown
    readonly body: string
    readonly port: unknown
  }[] = []
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk: Buffer) => (body += chunk.toString()))
    request.on('end', () => {
      const key = request.headers['idempotency-key']
      seen.push({ line: `${request.method} ${request.url}`, key, body, port: request.socket.remotePort })
      const opened = seen.filter(({ line }) => line.startsWith('POST')).length
      if (request.method === 'DELETE') return void response.writeHead(202).end('{}')
      // The third is refused; the fifth loses its connection.
      if (opened === 3) return void response.writeHead(503).end('{}')
      if (opened === 5) return void request.socket.destroy()
      response.writeHead(201, { location: `/v1/sessions/${opened}` }).end('{}')
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const target: LoadTarget = {
    host: '127.0.0.1',
    port: (server.address() as AddressInfo).port,
    method: 'POST',
    path: '/v1/sessions',
    headers: { authorization: 'Bearer key' },
    body: '{"agentType":"x"}',
    wanted: 201,
  }
  const loop = { kind: 'closed', concurrency: 1 } as const
  const result = await runLoad({ target, loop, count: 8, warmUp: 1, idempotencyKeys: true, endAfterMs: 1 })
  t.same(result.statuses, { 201: 6, 503: 1, 0: 1 })
  t.equal(result.errors, 2)
  t.equal(result.latenciesUs.length, 5, 'six answers, of which one warmed up')
  const posts = seen.filter(({ line }) => line.startsWith('POST'))
  t.equal(new Set(posts.map(({ key }) => key)).size, 8, 'a key of its own each')
  t.ok(posts.every(({ body }) => body === target.body))
  t.equal(new Set(posts.map(({ port }) => port)).size, 2, 'one connection, and another after it was cut')
  const ended = seen.filter(({ line }) => line.startsWith('DELETE')).map(({ line }) => line.slice(7))
  t.same(ended.sort(), [...result.locations].sort(), 'each of those opened is ended')
  t.equal(await endAll({ target, locations: ['/v1/sessions/9'] }), 0)
})
