import t from 'tap'
import { until } from '../../bed/processes/until.ts'
import { pidOfPod } from '../support/pod-process.ts'
import { agentOf, min, patienceMs, roomOf, startRooms, visit } from './room-bed.ts'

/** LiveKit hangs, is killed, forgets its rooms; an agent hangs: what becomes of sessions and claims. */

const { livekit, client, open, untilIdle, untilEnded, untilJoined, identitiesIn, freshToken, log } =
  await startRooms(t)

void t.test('LiveKit hangs: claims go on as fast, and the agent joins when it is back', async (t) => {
  livekit.stall()
  t.teardown(() => livekit.resume())
  await untilIdle(min)
  const answer = await client.open({ agentType: 'echo-agent' })
  t.equal(answer.status, 201)
  t.match(answer.body.livekit, { room: /^echo-agent-/ }, 'tokens need no LiveKit')
  t.match((await client.read(answer.body.id)).body.agentJoinedAt, undefined)
  await until(
    'Greenroom to notice',
    async () => (await log('controller')).includes('LiveKit does not answer'),
    patienceMs,
  )
  livekit.resume()
  await untilJoined(answer.body)
  await client.end(answer.body.id)
  t.match(await untilEnded(answer.body.id), { endReason: 'ended:caller' })
})

void t.test(
  'LiveKit is killed and knows no room afterwards: nobody’s session ends, and talk goes on',
  async (t) => {
    await untilIdle(min)
    const sessions = [await open(), await open(), await open()]
    const people = []
    for (const session of sessions) {
      await untilJoined(session)
      people.push(await visit(session))
    }
    for (const { id } of sessions)
      await until('people seen', async () => (await client.read(id)).body.participantJoinedAt)
    await livekit.restart()
    // Agents notice after 35 s. What would end a session has ended it before: confirmation and grace take 2 s each.
    for (const session of sessions) {
      const there = await until(
        'the agent to come back',
        async () => {
          const identities = await identitiesIn(roomOf(session))
          return identities.includes(agentOf(session))
        },
        60_000,
      )
      t.ok(there)
      t.match((await client.read(session.id)).body, { status: 'ACTIVE' })
    }
    const [first] = sessions
    if (!first) throw new Error('there are three')
    const ann = await visit(await freshToken(first))
    await ann.exchange('as before')
    for (const { id } of sessions) await client.end(id)
    for (const { id } of sessions) t.match(await untilEnded(id), { endReason: 'ended:caller' })
    await Promise.all(people.map(({ leave }) => leave()))
  },
)

void t.test('an agent that never comes gets a fresh token, and then its session ends', async (t) => {
  await untilIdle(min)
  livekit.stall()
  t.teardown(() => livekit.resume())
  const session = await open()
  const pid = await pidOfPod(session.pod.uid)
  process.kill(pid, 'SIGSTOP')
  livekit.resume()
  const ended = await until(
    'the end',
    async () => {
      const { body } = await client.read(session.id)
      return body.endReason !== undefined && body
    },
    60_000,
  )
  t.match(ended, { endReason: 'failed:agent-not-joined' })
  t.match(await log('controller'), /it gets a fresh token/)
  process.kill(pid, 'SIGCONT')
  await untilEnded(session.id)
})
