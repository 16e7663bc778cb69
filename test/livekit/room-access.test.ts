import { TokenVerifier } from 'livekit-server-sdk'
import t from 'tap'
import { createRoomAccess } from '../../src/livekit/room-access.ts'

const url = 'wss://livekit.example'
const apiKey = 'devkey'
const apiSecret = 'secret-of-at-least-thirty-two-bytes'
const access = createRoomAccess({
  publicUrl: url,
  agentUrl: 'ws://livekit.cluster',
  apiKey,
  apiSecret,
  installation: 'i-1',
  roomLife: (agentType) => ({ emptySeconds: agentType === 'echo-agent' ? 3_600 : 1, departureSeconds: 50 }),
})
const verifier = new TokenVerifier(apiKey, apiSecret)
const room = 'room-1'
const session = { id: 's-1', epoch: 2, room, agentType: 'echo-agent' }
const grant = { roomJoin: true, room, canPublish: true, canSubscribe: true, canPublishData: true }

void t.test('a participant may join this room, and nothing else', async (t) => {
  const before = Date.now()
  const { token, ...rest } = await access.forParticipant(session, { identity: 'user-1', name: 'Ü' })
  const claims = await verifier.verify(token)
  t.same(claims.video, grant)
  t.match(claims, { sub: 'user-1', name: 'Ü', iss: apiKey })
  t.equal(claims.kind, undefined)
  t.same(rest, { url, room, expiresAt: new Date((claims.exp ?? 0) * 1000).toISOString() })
  const ttlMs = (claims.exp ?? 0) * 1000 - before
  t.ok(ttlMs > 595_000 && ttlMs <= 601_000, `ten minutes: ${ttlMs} ms`)
})

void t.test('the agent gets the same room as kind agent, under an identity of this attempt', async (t) => {
  const { token, url: agentUrl } = await access.forAgent(session)
  t.equal(agentUrl, 'ws://livekit.cluster', 'pods reach LiveKit inside of the cluster')
  const claims = await verifier.verify(token)
  t.same(
    claims.video,
    grant,
    'no roomAdmin, roomCreate, roomList; no agent, which would let it register as a worker',
  )
  t.match(claims, { sub: 'agent-s-1-2', kind: 'agent' })
})

void t.test('a participant without a name', async (t) => {
  const { token } = await access.forParticipant(session, { identity: 'user-2' })
  t.equal((await verifier.verify(token)).name, undefined)
})

void t.test(
  'the first join creates the room, whoever comes first, as long-lived as the session',
  async (t) => {
    for (const { token } of [
      await access.forAgent(session),
      await access.forParticipant(session, { identity: 'u' }),
    ]) {
      const { roomConfig } = await verifier.verify(token)
      t.match(roomConfig, { emptyTimeout: 3_600, departureTimeout: 50, metadata: '{"greenroom":"i-1"}' })
      t.notOk(roomConfig?.agents?.length, 'no dispatch of LiveKit workers')
    }
  },
)

void t.test('a token is made with what the pool says now', async (t) => {
  let emptySeconds = 60
  const changing = createRoomAccess({
    publicUrl: url,
    agentUrl: url,
    apiKey,
    apiSecret,
    installation: 'i-1',
    roomLife: () => ({ emptySeconds, departureSeconds: 50 }),
  })
  const lifeOf = async ({ token }: { token: string }) =>
    (await verifier.verify(token)).roomConfig?.emptyTimeout
  t.equal(await lifeOf(await changing.forAgent(session)), 60)
  emptySeconds = 120
  t.equal(await lifeOf(await changing.forAgent(session)), 120)
})
