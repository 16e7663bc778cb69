import { once } from 'node:events'
import { stat } from 'node:fs/promises'
import { createServer } from 'node:http'
import { dispose, Room, RoomEvent } from '@livekit/rtc-node'
import { AccessToken, RoomServiceClient, WebhookReceiver } from 'livekit-server-sdk'
import t from 'tap'
import { isAlive } from '../../../bed/processes/is-alive.ts'
import { temporaryFolder } from '../../../bed/processes/temporary-folder.ts'
import { until } from '../../../bed/processes/until.ts'
import { freePort } from '../../../bed/servers/free-port.ts'
import { type LiveKitServer, startLiveKit } from '../../../bed/servers/livekit-server.ts'

t.teardown(() => dispose())

void t.test('LiveKit: two participants talk, webhooks are signed, a restart forgets the rooms', async (t) => {
  const folder = await temporaryFolder('livekit')
  const webhooks = await heardWebhooks()
  const server = await startLiveKit({ folder: folder.path, webhookUrls: [webhooks.url] })
  t.teardown(async () => {
    await server.stop()
    await webhooks.stop()
    await folder.remove()
  })
  t.match(server.url, /^ws:\/\/127\.0\.0\.1:\d+$/)
  t.equal((await stat(`${folder.path}/livekit/livekit.yaml`)).mode & 0o777, 0o600, 'the file with the secret')

  const [ann, ben] = [await joined(server, 'ann'), await joined(server, 'ben')]
  const heard = once(ben as never, RoomEvent.DataReceived)
  await ann.localParticipant?.publishData(new TextEncoder().encode('hello'), {
    reliable: true,
    topic: 'words',
  })
  const [bytes] = (await heard) as [Uint8Array]
  t.equal(new TextDecoder().decode(bytes), 'hello')

  const receiver = new WebhookReceiver(server.apiKey, server.apiSecret)
  const names = await until('two webhooks of participants', async () => {
    const events = await Promise.all(webhooks.heard.map(({ body, auth }) => receiver.receive(body, auth)))
    const joins = events.filter(({ event }) => event === 'participant_joined')
    return joins.length === 2 && joins.map(({ participant }) => participant?.identity ?? '')
  })
  t.same(names.toSorted(), ['ann', 'ben'])
  t.equal(webhooks.heard[0]?.type, 'application/webhook+json')
  await Promise.all([ann.disconnect(), ben.disconnect()])

  const rooms = new RoomServiceClient(server.url.replace('ws', 'http'), server.apiKey, server.apiSecret)
  t.same(
    (await rooms.listRooms()).map(({ name }) => name),
    ['room'],
  )
  const pid = server.pid
  await server.restart()
  t.not(server.pid, pid)
  t.notOk(isAlive(pid))
  t.same(await rooms.listRooms(), [], 'the same address and keys, no room')

  server.stall()
  const answer = rooms.listRooms()
  t.equal(
    await Promise.race([answer, new Promise((resolve) => setTimeout(resolve, 300, 'silence'))]),
    'silence',
  )
  server.resume()
  t.same(await answer, [])
  await server.kill()
  t.notOk(isAlive(server.pid))
  await t.rejects(rooms.listRooms())
})

async function joined({ url, apiKey, apiSecret }: LiveKitServer, identity: string): Promise<Room> {
  const token = new AccessToken(apiKey, apiSecret, { identity })
  token.addGrant({ roomJoin: true, room: 'room' })
  const room = new Room()
  await room.connect(url, await token.toJwt(), { autoSubscribe: true, dynacast: false })
  return room
}

/** What a receiver of webhooks hears. */
async function heardWebhooks() {
  const heard: { body: string; auth: string | undefined; type: string | undefined }[] = []
  const server = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (chunk: string) => {
      body += chunk
    })
    request.on('end', () => {
      heard.push({ body, auth: request.headers.authorization, type: request.headers['content-type'] })
      response.end()
    })
  })
  const port = await freePort()
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  return {
    heard,
    url: `http://127.0.0.1:${port}/webhook`,
    stop: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
