import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { TokenVerifier } from 'livekit-server-sdk'
import t from 'tap'
import { createRoomService } from '../../src/livekit/room-service.ts'

/** The one call of LiveKit's Twirp API that is used here, with the faults a test asks for. */

const apiKey = 'devkey'
const apiSecret = 'secret-of-at-least-thirty-two-bytes'

interface Call {
  readonly url: string | undefined
  readonly token: string
  readonly body: Readonly<Record<string, unknown>>
}

async function fakeLiveKit(t: Tap, answer: (response: ServerResponse) => void) {
  const calls: Call[] = []
  const server = createServer((request: IncomingMessage, response) => {
    const token = (request.headers.authorization ?? '').replace('Bearer ', '')
    void text(request).then((body) => {
      calls.push({ url: request.url, token, body: JSON.parse(body) })
      answer(response)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return { calls, url: `ws://127.0.0.1:${port}` }
}
type Tap = { teardown(call: () => void): void }

const twirp = (status: number, body: object) => (response: ServerResponse) =>
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
const serviceAt = (url: string, timeoutMs = 3_000) =>
  createRoomService({ url, apiKey, apiSecret, installation: 'i-1', timeoutMs })

void t.test('removes one participant with a token for that room alone', async (t) => {
  const { url, calls } = await fakeLiveKit(t, twirp(200, {}))
  t.equal(await serviceAt(url).removeParticipant('room-1', 'agent-s-1'), true)
  const [call] = calls
  t.equal(call?.url, '/twirp/livekit.RoomService/RemoveParticipant')
  t.match(call?.body, { room: 'room-1', identity: 'agent-s-1' })
  const claims = await new TokenVerifier(apiKey, apiSecret).verify(call?.token ?? '')
  t.same(claims.video, { roomAdmin: true, room: 'room-1' })
  t.ok(Number(call?.body.revokeTokenTs) > Date.now() / 1_000, 'tokens made by now are good no more')
})

void t.test('nobody there is no failure', async (t) => {
  const { url } = await fakeLiveKit(t, twirp(404, { code: 'not_found', msg: 'participant does not exist' }))
  t.equal(await serviceAt(url).removeParticipant('room-1', 'agent-s-1'), false)
})

void t.test('whatever else is one, and the secret is not in it', async (t) => {
  const refused = await fakeLiveKit(t, twirp(401, { code: 'unauthenticated', msg: 'invalid API key' }))
  await t.rejects(serviceAt(refused.url).removeParticipant('r', 'i'), { message: /invalid API key/ })
  const broken = await fakeLiveKit(t, twirp(500, { code: 'internal', msg: 'no' }))
  const error = await serviceAt(broken.url).removeParticipant('r', 'i').then(String, String)
  t.match(error, 'LiveKit did not remove a participant')
  t.notMatch(error, apiSecret)
  await t.rejects(serviceAt('ws://127.0.0.1:1').removeParticipant('r', 'i'), { message: /did not remove/ })
})

void t.test('a server that does not answer is given up in time', async (t) => {
  const { url } = await fakeLiveKit(t, () => undefined)
  await t.rejects(serviceAt(url, 50).removeParticipant('r', 'i'), { message: /did not remove/ })
})

void t.test('a look: all rooms, and the memory that LiveKit is known by', async (t) => {
  const named = [
    { name: 'greenroom-memory-i-1', sid: 'RM_1', metadata: '{"greenroom":"i-1"}' },
    { name: 'echo-agent-1', sid: 'RM_2', numParticipants: 2, metadata: '{"greenroom":"i-1"}' },
    { name: 'lobby', sid: 'RM_3', metadata: 'x' },
  ]
  const { url } = await fakeLiveKit(t, twirp(200, { rooms: named }))
  const seen = await serviceAt(url).look()
  t.equal(seen.memory, 'RM_1')
  t.same(
    [...seen.rooms.values()],
    [
      { name: 'echo-agent-1', people: 2, isOurs: true },
      { name: 'lobby', people: 0, isOurs: false },
    ],
  )
})

void t.test('a LiveKit that has forgotten its rooms gets a new memory', async (t) => {
  const { url, calls } = await fakeLiveKit(t, (response) =>
    calls.at(-1)?.url?.endsWith('ListRooms')
      ? twirp(200, { rooms: [] })(response)
      : twirp(200, { name: 'greenroom-memory-i-1', sid: 'RM_9' })(response),
  )
  t.equal((await serviceAt(url).look(['echo-agent-1'])).memory, 'RM_9')
  t.match(calls[0]?.body, { names: ['echo-agent-1', 'greenroom-memory-i-1'] })
  t.match(calls[1]?.body, { name: 'greenroom-memory-i-1', emptyTimeout: 315_360_000 })
})

void t.test('who has only asked to come in is not in the room', async (t) => {
  const participants = [
    { identity: 'agent-1', state: 'ACTIVE' },
    { identity: 'agent-2', state: 'JOINED' },
    { identity: 'agent-3', state: 'JOINING' },
  ]
  const { url } = await fakeLiveKit(t, twirp(200, { participants }))
  t.same(await serviceAt(url).identitiesIn('room-1'), ['agent-1'])
  const nobody = await fakeLiveKit(t, twirp(404, { code: 'not_found', msg: 'no room' }))
  t.same(await serviceAt(nobody.url).identitiesIn('room-1'), [])
  t.equal(await serviceAt(nobody.url).remove('room-1'), false)
})
