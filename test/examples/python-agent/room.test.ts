import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { dispose, type RemoteParticipant, Room, RoomEvent } from '@livekit/rtc-node'
import { AccessToken } from 'livekit-server-sdk'
import t from 'tap'
import { temporaryFolder } from '../../../bed/processes/temporary-folder.ts'
import { root } from '../../../bed/repository.ts'
import { type LiveKitServer, startLiveKit } from '../../../bed/servers/livekit-server.ts'
import { createAgentDelivery } from '../../../src/delivery/agent-delivery.ts'
import { loadSigningKeys } from '../../../src/delivery/signing-keys.ts'
import { agentIdentity } from '../../../src/domain/names.ts'
import {
  newAssignment,
  newKeyPair,
  newRecipient,
  podUid,
  privateSet,
  publicSet,
  startHttp,
} from '../../agent/contract-fixture.ts'
import { pythonWith } from '../../support/python-environment.ts'

/** The Python agent in a room of a real LiveKit. */

t.setTimeout(300_000)

const pair = newKeyPair('k1')
const delivery = createAgentDelivery({ keys: await loadSigningKeys(privateSet(pair)) })
const room = 'room-of-the-python-agent'
const ip = `127.${100 + (process.pid % 100)}.${(process.pid >> 7) % 256}.9`

async function tokenOf(livekit: LiveKitServer, identity: string): Promise<string> {
  const token = new AccessToken(livekit.apiKey, livekit.apiSecret, { identity, ttl: 600 })
  token.addGrant({ roomJoin: true, room, canPublish: true, canSubscribe: true, canPublishData: true })
  return token.toJwt()
}

void t.test('it joins, says so, echoes what is said to it, and leaves at the end', async (t) => {
  const python = await pythonWith('examples/python-agent/requirements-room.txt')
  const folder = await temporaryFolder('python-room')
  t.teardown(() => folder.remove())
  const livekit = await startLiveKit({ folder: folder.path })
  t.teardown(() => livekit.stop())
  const joined = Promise.withResolvers<string>()
  const apiPort = await startHttp(t, (request, response, body) => {
    if (request.url?.endsWith('/joined')) joined.resolve(body)
    response.end('{"lease":{"renewAfterMs":1000}}')
  })
  const child = spawn(python, ['examples/python-agent/agent.py'], {
    cwd: root,
    env: { GREENROOM_POD_UID: podUid, GREENROOM_ASSIGN_KEYS: publicSet(pair), GREENROOM_LISTEN_ADDRESS: ip },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  const exited = once(child, 'exit')
  await new Promise<void>((resolve) => {
    createInterface({ input: child.stdout }).on('line', (line) => line.includes('"listening"') && resolve())
  })

  const identity = agentIdentity('0198c0de-0000-7000-8000-000000000001', 1)
  const access = {
    url: livekit.url,
    room,
    token: await tokenOf(livekit, identity),
    expiresAt: new Date(Date.now() + 600_000).toISOString(),
  }
  const assignment = newAssignment({ room, apiUrl: `http://127.0.0.1:${apiPort}`, livekit: access })
  const pod = newRecipient({ ip })
  t.match(await delivery.assign(pod, assignment, 5_000), { kind: 'accepted' })
  t.same(JSON.parse(await joined.promise), { epoch: 1 })

  const caller = new Room()
  // Without it LiveKit's own threads keep this process running.
  t.teardown(() => caller.disconnect().then(dispose))
  const echo = Promise.withResolvers<unknown>()
  const left = Promise.withResolvers<string>()
  caller.on(
    RoomEvent.DataReceived,
    (data: Uint8Array, participant?: RemoteParticipant, _kind?: unknown, topic?: string) => {
      // LiveKit tells a moment late who is there.
      if (participant) echo.resolve({ text: Buffer.from(data).toString(), from: participant.identity, topic })
    },
  )
  caller.on(RoomEvent.ParticipantDisconnected, (participant: RemoteParticipant) =>
    left.resolve(participant.identity),
  )
  await caller.connect(livekit.url, await tokenOf(livekit, 'caller'), {
    autoSubscribe: true,
    dynacast: false,
  })
  const say = async () =>
    caller.localParticipant?.publishData(Buffer.from('hello'), { reliable: true, topic: 'chat' })
  // LiveKit drops what comes before it has connected the agent.
  const again = setInterval(() => void say(), 1_000)
  await say()
  t.same(await echo.promise.finally(() => clearInterval(again)), {
    text: 'hello',
    from: identity,
    topic: 'chat',
  })

  const { sessionId, epoch } = assignment
  t.match(await delivery.end(pod, { sessionId, epoch, reason: 'ended:caller' }), { kind: 'accepted' })
  t.equal(await left.promise, identity)
  t.same(await exited, [0, null])
})
