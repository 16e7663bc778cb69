import t from 'tap'
import { callJson } from '../../src/agent/call-json.ts'
import { startHttp, startTcp } from './contract-fixture.ts'

const patient = () => AbortSignal.timeout(10_000)

void t.test('a body goes as JSON, and the answer comes back as JSON', async (t) => {
  const port = await startHttp(t, ({ method, headers }, response, body) => {
    const { authorization, 'content-type': type } = headers
    response.writeHead(409).end(JSON.stringify({ method, authorization, type, body }))
  })
  const headers = { authorization: 'Bearer grs_token' }
  const url = `http://127.0.0.1:${port}/v1`
  t.same(await callJson(url, { method: 'POST', headers, body: { epoch: 2 }, signal: patient() }), {
    status: 409,
    body: {
      method: 'POST',
      authorization: 'Bearer grs_token',
      type: 'application/json',
      body: '{"epoch":2}',
    },
  })
  t.match(await callJson(url, { method: 'DELETE', headers, signal: patient() }), { body: { body: '' } })
})

void t.test('an answer that is not JSON has its status alone', async (t) => {
  const port = await startHttp(t, (_request, response) => response.writeHead(502).end('<html>'))
  const answer = await callJson(`http://127.0.0.1:${port}`, {
    method: 'POST',
    headers: {},
    signal: patient(),
  })
  t.same(answer, { status: 502, body: undefined })
})

void t.test('a server that does not answer, or not to the end, is given up with the signal', async (t) => {
  const silent = await startTcp(t, () => undefined)
  const halting = await startTcp(t, (socket) => {
    socket.write('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{')
  })
  for (const port of [silent, halting]) {
    const signal = AbortSignal.timeout(100)
    await t.rejects(callJson(`http://127.0.0.1:${port}`, { method: 'POST', headers: {}, signal }))
    t.ok(signal.aborted)
  }
})

void t.test('an https address is called by TLS', async (t) => {
  const first = Promise.withResolvers<number | undefined>()
  const port = await startTcp(t, (socket) => {
    socket.once('data', (bytes: Buffer) => {
      first.resolve(bytes[0])
      socket.destroy()
    })
  })
  await t.rejects(callJson(`https://127.0.0.1:${port}`, { method: 'POST', headers: {}, signal: patient() }))
  t.equal(await first.promise, 0x16, 'a handshake')
})
