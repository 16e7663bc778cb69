import { setTimeout } from 'node:timers/promises'
import t from 'tap'
import { until } from '../../../bed/processes/until.ts'
import { root } from '../../../bed/repository.ts'
import { agentIdentity } from '../../../src/domain/names.ts'
import { delivery, startAgentProcess } from '../../agent/echo-agent-process.ts'
import { openRooms, rtc } from '../../agent/room-fixture.ts'
import { pythonWith } from '../../support/python-environment.ts'

/** The first run makes a Python environment of 400 MB in the cache. */
t.setTimeout(500_000)
t.teardown(() => rtc.dispose())

void t.test('an unmodified LiveKit Agents program serves a session under agent-exec', async (t) => {
  const python = await pythonWith('examples/livekit-agents/requirements.txt')
  const rooms = await openRooms(t)
  const session = await rooms.newSession()
  const me = agentIdentity(session.sessionId, 1)
  const program = [process.execPath, 'src/cli/greenroom.ts', 'agent-exec', '--']
  const agent = await startAgentProcess(t, [...program, python, `${root}/examples/livekit-agents/agent.py`])
  t.match(await delivery.assign(agent.pod, session, 5_000), { kind: 'accepted' })
  const startedAt = performance.now()
  // Its import alone takes seconds on a busy machine.
  await until('it reports that it has joined', () => rooms.calls.includes('POST joined'), 60_000)
  t.comment(`in its room after ${Math.round(performance.now() - startedAt)} ms`)
  const ada = await rooms.join(session.room)
  const said: string[] = []
  ada.room.registerTextStreamHandler('lk.transcription', (reader, { identity }) => {
    void reader.readAll().then((text) => said.push(`${identity}: ${text}`))
  })
  // LiveKit Agents answers only those it knows of, and of somebody without a track LiveKit tells it some seconds late.
  await until(
    'its answer',
    async () => {
      await ada.room.localParticipant?.sendText('good morning', { topic: 'lk.chat' })
      await setTimeout(1_000)
      return said.includes(`${me}: You said: good morning`)
    },
    20_000,
  )
  await delivery.end(agent.pod, { sessionId: session.sessionId, epoch: 1, reason: 'ended:caller' })
  t.equal(await agent.exited, 0)
  t.notMatch(agent.lines.join(), /eyJ|grs_/, 'no token in the output')
})
