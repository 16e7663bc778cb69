import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { until } from '../../bed/processes/until.ts'
import { createAgentDelivery } from '../../src/delivery/agent-delivery.ts'
import { loadSigningKeys } from '../../src/delivery/signing-keys.ts'
import {
  newAssignment,
  newKeyPair,
  newRecipient,
  podUid,
  privateSet,
  startTcp,
} from '../agent/contract-fixture.ts'

/** A delivery that is made ready while PostgreSQL is asked: what the pod sees of it, and what becomes of it. */

const keys = await loadSigningKeys(privateSet(newKeyPair('k1')))
const pod = newRecipient()
const assignment = newAssignment()
const { sessionId, epoch } = assignment
const echo = JSON.stringify({ podUid, sessionId, epoch })

type Manner = 'answers' | 'closes at once' | 'cuts off'

/** A pod that keeps what it is sent on each connection; `manners`: what it does on the first ones, and afterwards it answers. */
async function startPod(t: Test, ...manners: readonly Manner[]) {
  const connections: { text: string; isClosed: boolean }[] = []
  const port = await startTcp(t, (socket) => {
    const manner = manners[connections.length] ?? 'answers'
    const connection = { text: '', isClosed: false }
    connections.push(connection)
    socket.on('data', (chunk: Buffer) => {
      connection.text += chunk.toString()
      if (manner === 'cuts off') socket.resetAndDestroy()
      else if (connection.text.endsWith(JSON.stringify(assignment)))
        socket.end(`HTTP/1.1 200 OK\r\ncontent-length: ${echo.length}\r\n\r\n${echo}`)
    })
    socket.on('close', () => {
      connection.isClosed = true
    })
    if (manner === 'closes at once') socket.end()
  })
  return { port, connections, delivery: createAgentDelivery({ keys, port }) }
}

void t.test('the connection is there before the assignment, which goes over it', async (t) => {
  const { connections, delivery } = await startPod(t)
  delivery.prepare(pod, assignment)
  await until('the connection', () => connections.length === 1)
  t.equal(connections[0]?.text, '', 'nothing is sent on it')
  t.match(await delivery.assign(pod, assignment, 5_000), { kind: 'accepted' })
  t.equal(connections.length, 1)
  t.match(connections[0]?.text, /^POST \/assign /)
})

void t.test('an assignment that comes before the connection is made waits for it', async (t) => {
  const { connections, delivery } = await startPod(t)
  delivery.prepare(pod, assignment)
  t.match(await delivery.assign(pod, assignment, 5_000), { kind: 'accepted' })
  t.equal(connections.length, 1)
})

void t.test('what is dropped is closed, and its pod has heard nothing', async (t) => {
  const { connections, delivery } = await startPod(t)
  const drop = delivery.prepare(pod, assignment)
  await until('the connection', () => connections.length === 1)
  drop()
  await until('its end', () => connections[0]?.isClosed === true)
  t.equal(connections[0]?.text, '')
  drop()
  t.match(await delivery.assign(pod, assignment, 5_000), { kind: 'accepted' }, 'over another one')
  t.equal(connections.length, 2)
})

void t.test('to drop it later does nothing to the delivery that took it', async (t) => {
  const { connections, delivery } = await startPod(t)
  const drop = delivery.prepare(pod, assignment)
  const outcome = delivery.assign(pod, assignment, 5_000)
  drop()
  t.match(await outcome, { kind: 'accepted' })
  t.equal(connections.length, 1)
})

void t.test('what nobody sends or drops is closed after a while', async (t) => {
  const { connections, delivery } = await startPod(t)
  delivery.prepare(pod, assignment)
  await until('the end of the connection', () => connections[0]?.isClosed === true)
  t.equal(connections[0]?.text, '')
})

void t.test('other content has a signature and a connection of its own', async (t) => {
  const { connections, delivery } = await startPod(t)
  delivery.prepare(pod, { ...assignment, epoch: 2 })
  await until('the connection', () => connections.length === 1)
  t.match(await delivery.assign(pod, assignment, 5_000), { kind: 'accepted' })
  await until('the end of the first', () => connections[0]?.isClosed === true)
  t.same(
    connections.map(({ text }) => text === ''),
    [true, false],
  )
})

void t.test('a pod is prepared for one session at a time', async (t) => {
  const { connections, delivery } = await startPod(t)
  const drop = delivery.prepare(pod, assignment)
  delivery.prepare(pod, { ...assignment, epoch: 2 })()
  await until('the connection', () => connections.length === 1)
  t.match(
    await delivery.assign(pod, assignment, 5_000),
    { kind: 'accepted' },
    'the second took nothing from the first',
  )
  drop()
  t.equal(connections.length, 1)
})

void t.test('a pod that closes silent connections gets another one', async (t) => {
  const { connections, delivery } = await startPod(t, 'closes at once')
  delivery.prepare(pod, assignment)
  await until('the end of the first', () => connections[0]?.isClosed === true)
  t.match(await delivery.assign(pod, assignment, 5_000), { kind: 'accepted' })
  t.equal(connections.length, 2)
})

void t.test('what a pod cut off just as it was used is sent again', async (t) => {
  const { connections, delivery } = await startPod(t, 'cuts off')
  delivery.prepare(pod, assignment)
  await until('the connection', () => connections.length === 1)
  t.match(await delivery.assign(pod, assignment, 5_000), { kind: 'accepted' })
  t.equal(connections.length, 2)
})

void t.test('a pod that was told and cuts off again may have taken it', async (t) => {
  const { delivery, connections } = await startPod(t, 'cuts off', 'cuts off')
  delivery.prepare(pod, assignment)
  await until('the connection', () => connections.length === 1)
  const outcome = await delivery.assign(pod, assignment, 5_000)
  t.equal(outcome.kind, 'unreachable')
  t.notMatch(outcome, { untouched: true })
})

void t.test('a pod that is gone by then has heard nothing', async (t) => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const delivery = createAgentDelivery({ keys, port: (server.address() as AddressInfo).port })
  delivery.prepare(pod, assignment)
  const [socket] = (await once(server, 'connection')) as [Socket]
  server.close()
  socket.destroy()
  await once(server, 'close')
  // The end of the connection is in the kernel, and a turn of the event loop reads it.
  await new Promise(setImmediate)
  await new Promise(setImmediate)
  t.match(await delivery.assign(pod, assignment, 5_000), { reason: /ECONNREFUSED/, untouched: true })
})
