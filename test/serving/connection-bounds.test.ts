import { once } from 'node:events'
import { createServer } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { type AddressInfo, connect, createServer as createWay, type Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { connect as connectTls } from 'node:tls'
import t, { type Test } from 'tap'
import { until } from '../../bed/processes/until.ts'
import { makeAuthority, makeLeaf } from '../../src/certificates/x509-signing.ts'
import { boundConnections } from '../../src/serving/connection-bounds.ts'

const limits = { total: 10, perAddress: 8, headMs: 1_000 }
const ask = 'GET / HTTP/1.1\r\nhost: x\r\n\r\n'

async function startServer(t: Test) {
  const server = createServer((_request, response) => void response.end('answer'))
  const bounds = boundConnections(server, limits)
  server.listen(0, '0.0.0.0')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  const open = async (localAddress: string): Promise<Socket> => {
    const socket = connect({ host: '127.0.0.1', port, localAddress })
    t.teardown(() => socket.destroy())
    socket.on('error', () => undefined).resume()
    await once(socket, 'connect')
    return socket
  }
  const answered = async (socket: Socket): Promise<void> => {
    socket.write(ask)
    await once(socket, 'data')
  }
  return { bounds, open, answered }
}

void t.test('somebody who fills the server loses connections of his own', async (t) => {
  const { bounds, open, answered } = await startServer(t)
  const client = [await open('127.0.0.1'), await open('127.0.0.1'), await open('127.0.0.1')]
  for (const socket of client) await answered(socket)
  const silent: Socket[] = []
  for (let count = 0; count < 30; count += 1) silent.push(await open('127.0.0.2'))
  await until('the others to be closed', () => silent.filter(({ closed }) => closed).length === 23)
  t.equal(bounds.open(), 10)
  t.equal(bounds.closed(), 23)
  for (const socket of client) await answered(socket)
  t.same(
    silent.map(({ closed }) => closed),
    [...Array<boolean>(23).fill(true), ...Array<boolean>(7).fill(false)],
    'the oldest first',
  )
})

void t.test('behind one address, those that were never answered go first', async (t) => {
  const { open, answered } = await startServer(t)
  const client = [await open('127.0.0.1'), await open('127.0.0.1')]
  for (const socket of client) await answered(socket)
  const silent: Socket[] = []
  for (let count = 0; count < 20; count += 1) silent.push(await open('127.0.0.1'))
  await until('the others to be closed', () => silent.filter(({ closed }) => closed).length === 14)
  for (const socket of client) await answered(socket)
})

void t.test('a head has a deadline, a silent connection has none', async (t) => {
  const { open, answered } = await startServer(t)
  const silent = await open('127.0.0.1')
  const rested = await open('127.0.0.1')
  await answered(rested)
  const [first, second] = [await open('127.0.0.1'), await open('127.0.0.1')]
  first.write('GET / HTTP/1.1\r\nhost')
  await answered(second)
  second.write('GET / HTTP/1.1\r\nhost')
  await until('slow heads to be closed', () => first.closed && second.closed)
  await answered(silent)
  await answered(rested)
})

/** Passes on what the client sends: the first byte at once, the others of the first write after this time. */
async function startSlowWay(t: Test, port: number, delayMs: number): Promise<number> {
  const way = createWay((client) => {
    const server = connect({ host: '127.0.0.1', port })
    for (const socket of [client, server]) t.teardown(() => socket.destroy())
    for (const socket of [client, server]) socket.on('error', () => undefined)
    server.pipe(client)
    client.once('data', (hello: Buffer) => {
      client.pause()
      server.write(hello.subarray(0, 1))
      setTimeout(() => {
        server.write(hello.subarray(1))
        client.pipe(server)
      }, delayMs)
    })
  })
  way.listen(0, '127.0.0.1')
  await once(way, 'listening')
  t.teardown(() => way.close())
  return (way.address() as AddressInfo).port
}

void t.test('a slow TLS handshake counts as no head when the client uses the connection later', async (t) => {
  const day = 86_400_000
  const times = { notBeforeMs: Date.now() - day, notAfterMs: Date.now() + day }
  const authority = await makeAuthority({ kind: 'authority', name: 'test', ...times })
  const leaf = await makeLeaf({ kind: 'leaf', authority, names: ['127.0.0.1'], ...times })
  const server = createTlsServer(leaf, (_request, response) => void response.end('answer'))
  const bounds = boundConnections(server, limits)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  // It looks twice a second.
  const lookMs = 500
  const port = await startSlowWay(t, (server.address() as AddressInfo).port, 2 * lookMs)
  const socket = connectTls({ port, host: '127.0.0.1', ca: authority.cert })
  t.teardown(() => socket.destroy())
  socket.on('error', () => undefined).resume()
  await once(socket, 'secureConnect')
  await pause(limits.headMs)
  socket.write(ask.slice(0, 9))
  await pause(2 * lookMs)
  t.equal(bounds.closed(), 0)
  socket.write(ask.slice(9))
  const [answer] = await Promise.race([once(socket, 'data'), once(socket, 'close')])
  t.match(String(answer), /^HTTP\/1.1 200/)
})
