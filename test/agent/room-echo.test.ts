import t from 'tap'
import { until } from '../../bed/processes/until.ts'
import { agentIdentity } from '../../src/domain/names.ts'
import { delivery, startEchoAgent } from './echo-agent-process.ts'
import { accessOfAgent, joinAs, loudnessOfEcho, openRooms, rtc } from './room-fixture.ts'

/** echo-agent as a pod runs it, in rooms of a real LiveKit. */

/** The library gave up after 10 to 35 s. */
t.setTimeout(120_000)
t.teardown(() => rtc.dispose())

void t.test('what a person says comes back: data, text and sound, and is counted', async (t) => {
  const rooms = await openRooms(t)
  const session = await rooms.newSession()
  const me = agentIdentity(session.sessionId, 1)
  const agent = await startEchoAgent(t, { AGENT_WARM_ROOM: 'on' })
  const assignedAt = performance.now()
  t.match(await delivery.assign(agent.pod, session, 5_000), { kind: 'accepted' })
  const acknowledgedMs = performance.now() - assignedAt
  await rooms.called('POST joined')
  t.comment(
    `acknowledged after ${Math.round(acknowledgedMs)} ms, joined after ${Math.round(performance.now() - assignedAt)} ms`,
  )

  const ada = await rooms.join(session.room)
  await ada.sees(me)
  await ada.say('hello')
  await ada.hears(`${me} chat: hello`)
  await ada.room.localParticipant?.sendText('how are you?', { topic: 'lk.chat' })
  await ada.hears(`${me} text: how are you?`)
  const loudness = await loudnessOfEcho(ada.room)
  t.ok(loudness > 0.05, `the tone comes back, loudness ${loudness.toFixed(3)}`)

  const bob = await joinAs(t, { livekit: rooms.livekit, room: session.room, identity: 'bob' })
  await bob.sees(me)
  await ada.say('only for me', 'private')
  await ada.hears(`${me} private: only for me`)
  t.notOk(bob.heard.includes(`${me} private: only for me`), 'the answer goes to the sender')

  const metrics = await (await fetch(`http://${agent.ip}:8080/metrics`)).text()
  t.match(
    metrics,
    'agent_messages_processed_total{agent_type="echo-agent"} 4',
    'two messages, a text, a track',
  )
  t.match(await delivery.end(agent.pod, { sessionId: session.sessionId, epoch: 1, reason: 'ended:caller' }), {
    kind: 'accepted',
  })
  t.equal(await agent.exited, 0)
  await ada.seesGone(me)
  t.equal(rooms.calls.filter((call) => call === 'POST joined').length, 1)
  t.notMatch(agent.lines.join(), /eyJ|grs_|hello|how are you/, 'no token and no word in the log')
  for (const line of agent.lines) t.ok(JSON.parse(line), 'every line is JSON')
})

void t.test('two agents in one room do not answer each other', async (t) => {
  const rooms = await openRooms(t)
  const session = await rooms.newSession()
  const second = { ...session, livekit: await accessOfAgent(rooms.livekit, session.room, 'other') }
  // First, so that both agents know who speaks.
  const ada = await rooms.join(session.room)
  for (const assignment of [session, second]) {
    const agent = await startEchoAgent(t)
    t.match(await delivery.assign(agent.pod, assignment, 5_000), { kind: 'accepted' })
  }
  await rooms.called('POST joined', 2)
  const agents = [agentIdentity(session.sessionId, 1), agentIdentity('other', 1)]
  // LiveKit drops what comes before it has connected somebody, and tells of who is there a moment later.
  for (const agent of agents) {
    await ada.sees(agent)
    await ada.isAnswered(`${agent} chat: hello`, 'hello')
  }
  await ada.say('one')
  for (const agent of agents) await ada.hears(`${agent} chat: one`)
  await ada.say('two')
  for (const agent of agents) await ada.hears(`${agent} chat: two`)
  t.equal(ada.heard.filter((line) => /chat: (one|two)$/.test(line)).length, 4)
})

void t.test('SIGTERM in a room: it leaves and exits 0', async (t) => {
  const rooms = await openRooms(t)
  const session = await rooms.newSession()
  const agent = await startEchoAgent(t)
  await delivery.assign(agent.pod, session, 5_000)
  await rooms.called('POST joined')
  const ada = await rooms.join(session.room)
  await ada.sees(agentIdentity(session.sessionId, 1))
  const startedAt = performance.now()
  agent.child.kill('SIGTERM')
  t.equal(await agent.exited, 0)
  t.ok(performance.now() - startedAt < 4_000, `after ${Math.round(performance.now() - startedAt)} ms`)
  await ada.seesGone(agentIdentity(session.sessionId, 1))
})

void t.test('LiveKit is away at the claim: the claim goes on, the agent joins when it is back', async (t) => {
  const rooms = await openRooms(t)
  await rooms.livekit.kill()
  const agent = await startEchoAgent(t)
  const session = await rooms.newSession()
  const startedAt = performance.now()
  t.match(await delivery.assign(agent.pod, session, 5_000), { kind: 'accepted' })
  t.ok(
    performance.now() - startedAt < 1_000,
    `acknowledged after ${Math.round(performance.now() - startedAt)} ms`,
  )
  await agent.logged('"not joined"', 3)
  await rooms.livekit.restart()
  await rooms.called('POST joined')
  const ada = await rooms.join(session.room)
  await ada.sees(agentIdentity(session.sessionId, 1))
  t.notMatch(agent.lines.join(), /eyJ/, 'no token in the log')
})

void t.test('LiveKit is killed and restarted: the agent is in the room again and answers', async (t) => {
  const rooms = await openRooms(t)
  const session = await rooms.newSession()
  const agent = await startEchoAgent(t)
  await delivery.assign(agent.pod, session, 5_000)
  await rooms.called('POST joined')
  await rooms.livekit.restart()
  const startedAt = performance.now()
  const ada = await rooms.join(session.room)
  const me = agentIdentity(session.sessionId, 1)
  await until('the agent is back', () => ada.room.remoteParticipants.has(me), 60_000)
  t.comment(`back after ${Math.round(performance.now() - startedAt)} ms`)
  await ada.isAnswered(`${me} chat: still there?`, 'still there?')
  t.equal(agent.child.exitCode, null, 'it goes on')
})

void t.test('LiveKit is away for longer than its library waits: the agent joins anew', async (t) => {
  const rooms = await openRooms(t)
  const session = await rooms.newSession()
  const agent = await startEchoAgent(t)
  await delivery.assign(agent.pod, session, 5_000)
  await rooms.called('POST joined')
  await rooms.livekit.kill()
  await until('the library gives up', () => agent.lines.join().includes('"left the room"'), 60_000)
  await agent.logged('"not joined"', 2)
  await rooms.livekit.restart()
  await agent.logged('"joined"', 2)
  const me = agentIdentity(session.sessionId, 1)
  const ada = await rooms.join(session.room)
  await ada.sees(me)
  await ada.isAnswered(`${me} chat: back?`, 'back?')
  t.equal(rooms.calls.filter((call) => call === 'POST joined').length, 1, 'reported once')
})

void t.test('a token that LiveKit refuses, and one that has expired, are exchanged', async (t) => {
  const rooms = await openRooms(t)
  const expired = await rooms.newSession({ expiresAt: '2020-01-01T00:00:00.000Z' })
  const first = await startEchoAgent(t)
  await delivery.assign(first.pod, expired, 5_000)
  await rooms.called('POST joined')
  t.same(rooms.calls.slice(0, 2), ['POST token', 'POST joined'], 'asked before it tries one that has expired')
  t.notMatch(first.lines.join(), 'not joined')

  const foreign = { ...rooms.livekit, apiSecret: 'x'.repeat(40) }
  const { token } = await accessOfAgent(foreign, 'any', 'any')
  const refused = await rooms.newSession({ token })
  const second = await startEchoAgent(t)
  const startedAt = performance.now()
  await delivery.assign(second.pod, refused, 5_000)
  await rooms.called('POST joined', 2)
  t.ok(performance.now() - startedAt < 2_000, `joined after ${Math.round(performance.now() - startedAt)} ms`)
  t.match(second.lines.join(), /"not joined".*"reason":"refused"/)
  t.notMatch(second.lines.join(), /eyJ/, 'LiveKit quotes the token; the log does not')
})

void t.test('a repeated assignment with a fresh token is tried at once', async (t) => {
  const rooms = await openRooms(t)
  const good = await rooms.newSession()
  const { apiUrl: _none, ...assignment } = good
  const agent = await startEchoAgent(t)
  const dead = { url: 'ws://127.0.0.1:9', room: good.room, token: 'none', expiresAt: '2100-01-01T00:00:00Z' }
  await delivery.assign(agent.pod, { ...assignment, livekit: dead }, 5_000)
  await agent.logged('"not joined"', 2)
  t.match(await delivery.assign(agent.pod, assignment, 5_000), { kind: 'accepted' })
  await agent.logged('"joined"')
})

void t.test('the same identity joins elsewhere: the agent stays out and says so', async (t) => {
  const rooms = await openRooms(t)
  const session = await rooms.newSession()
  const agent = await startEchoAgent(t)
  await delivery.assign(agent.pod, session, 5_000)
  await rooms.called('POST joined')
  const other = await startEchoAgent(t)
  await delivery.assign(other.pod, session, 5_000)
  await rooms.called('POST joined', 2)
  await agent.logged('"left the room".*DUPLICATE_IDENTITY')
  const ada = await rooms.join(session.room)
  await ada.isAnswered(`${agentIdentity(session.sessionId, 1)} chat: who is there?`, 'who is there?')
  t.notMatch(other.lines.join(), 'left the room')
})
