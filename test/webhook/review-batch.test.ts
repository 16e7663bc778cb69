import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import t from 'tap'
import { createReviewBatch } from '../../src/webhook/review-batch.ts'

void t.test('reviews of one turn go on together, later ones in the next', async (t) => {
  const batch = createReviewBatch()
  const first = batch()
  await Promise.resolve()
  t.equal(batch(), first)
  await first
  const second = batch()
  t.not(second, first)
  await second
})

void t.test('everything that has arrived is read before anything goes on', async (t) => {
  const batch = createReviewBatch()
  const events: string[] = []
  const taken: Socket[] = []
  const server = createServer((socket) => {
    taken.push(socket)
    socket.setEncoding('latin1').on('data', (name: string) => {
      events.push(`read ${name}`)
      void batch().then(() => events.push(`judged ${name}`))
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const clients = await Promise.all(
    ['a', 'b', 'c'].map(async (name) => {
      const socket = connect(port, '127.0.0.1')
      await once(socket, 'connect')
      return { name, socket }
    }),
  )
  while (taken.length < clients.length) await new Promise(setImmediate)
  // Nothing is read while this runs on: all three lie ready when the loop looks again.
  for (const { name, socket } of clients) socket.write(name)
  while (events.length < 6) await new Promise(setImmediate)
  t.same(events.slice(0, 3).toSorted(), ['read a', 'read b', 'read c'])
  t.same(events.slice(3).toSorted(), ['judged a', 'judged b', 'judged c'])
  for (const { socket } of clients) socket.destroy()
  server.close()
})

void t.test('a full batch does not wait', async (t) => {
  const batch = createReviewBatch()
  let immediates = 0
  setImmediate(() => {
    immediates += 1
  })
  const four = [batch(), batch(), batch(), batch()]
  const fifth = batch()
  t.equal(new Set(four).size, 1)
  t.not(fifth, four[0])
  await Promise.all(four)
  t.equal(immediates, 0, 'the loop has not gone round')
  await fifth
})
