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
  readonly body: { room: string; identity: string; revokeTokenTs: string }
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
const serviceAt = (url: string, timeoutMs = 3_000) => createRoomService({ url, apiKey, apiSecret, timeoutMs })

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
