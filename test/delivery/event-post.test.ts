import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { createEventPost } from '../../src/delivery/event-post.ts'
import { networks } from '../../src/delivery/public-address.ts'

async function startReceiver(t: Test, listener: RequestListener) {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

const loopback = createEventPost({ allowed: networks(['127.0.0.0/8']) })
const strict = createEventPost({ allowed: networks([]) })
const message = { headers: { 'webhook-id': '7' }, body: '{"a":"ü"}' }

void t.test('a message arrives as it was signed', async (t) => {
  const got: unknown[] = []
  const port = await startReceiver(t, (request, response) => {
    const { 'webhook-id': id, 'content-type': type, connection } = request.headers
    void text(request).then((body) => {
      got.push({ method: request.method, url: request.url, id, type, connection, body })
      response.writeHead(202).end()
    })
  })
  t.same(await loopback({ url: `http://127.0.0.1:${port}/hook?x=1`, ...message }), { kind: 'delivered' })
  t.same(await loopback({ url: `http://localhost:${port}/hook?x=1`, ...message }), { kind: 'delivered' })
  t.match(got[0], { method: 'POST', url: '/hook?x=1', id: '7', type: 'application/json', body: message.body })
})

void t.test('no way leads into the cluster, by whatever name', async (t) => {
  let asked = 0
  const port = await startReceiver(t, (_request, response) => {
    asked += 1
    response.end()
  })
  for (const host of [
    '127.0.0.1',
    '127.1',
    '2130706433',
    '0x7f.0.0.1',
    '017700000001',
    '0.0.0.0',
    '[::1]',
    '[::]',
    '[::ffff:127.0.0.1]',
    '[::ffff:7f00:1]',
    // A name is resolved by the connection itself, and judged by what it leads to.
    'localhost',
    'LOCALHOST',
  ])
    for (const scheme of ['http', 'https']) {
      const result = await strict({ url: `${scheme}://${host}:${port}/`, ...message })
      t.match(result, { kind: 'failed', reason: /not in the internet/ }, `${scheme}://${host}`)
    }
  t.equal(asked, 0)
  const metadata = await strict({ url: 'http://169.254.169.254/latest/meta-data', ...message })
  t.match(metadata, { kind: 'failed', reason: /169\.254\.169\.254/ })
  const elsewhere = createEventPost({ allowed: networks(['10.0.0.0/8']) })
  t.match(await elsewhere({ url: `http://localhost:${port}/`, ...message }), {
    reason: /not in the internet/,
  })
  const plain = await strict({ url: 'http://1.1.1.1/', ...message })
  t.match(plain, { kind: 'failed', reason: /without TLS/ })
})

void t.test('redirects are not followed', async (t) => {
  let hidden = 0
  const target = await startReceiver(t, (_request, response) => {
    hidden += 1
    response.end()
  })
  const port = await startReceiver(t, (_request, response) => {
    response.writeHead(307, { location: `http://127.0.0.1:${target}/` }).end()
  })
  const result = await loopback({ url: `http://127.0.0.1:${port}/`, ...message })
  t.match(result, { kind: 'failed', reason: /307; redirects are not followed/ })
  t.equal(hidden, 0)
})

void t.test('refusals, silence, endless answers and closed doors', async (t) => {
  const port = await startReceiver(t, ({ url }, response) => {
    if (url === '/gone') response.writeHead(410).end()
    else if (url === '/broken') response.writeHead(503).end('x')
    else if (url === '/cut') response.destroy()
    else if (url === '/endless') {
      response.writeHead(200)
      setInterval(() => response.write('x'.repeat(1_000)), 5).unref()
    }
  })
  const quick = createEventPost({ allowed: networks(['127.0.0.0/8']), timeoutMs: 300 })
  const to = (path: string) => quick({ url: `http://127.0.0.1:${port}${path}`, ...message })
  t.match(await to('/gone'), { kind: 'failed', gone: true })
  t.same(await to('/broken'), { kind: 'failed', reason: 'it answered 503' })
  t.match(await to('/cut'), { kind: 'failed', reason: /ECONNRESET/ })
  t.match(await to('/silent'), { kind: 'failed', reason: /no answer within 0\.3 s/ })
  t.same(await to('/endless'), { kind: 'delivered' }, 'what is answered is not read')
  t.match(await quick({ url: 'http://127.0.0.1:1/', ...message }), { reason: /ECONNREFUSED/ })
  t.match(await quick({ url: 'https://no-such-name.invalid/', ...message }), { kind: 'failed' })
  t.match(await quick({ url: `https://127.0.0.1:${port}/`, ...message }), { kind: 'failed' })
})
