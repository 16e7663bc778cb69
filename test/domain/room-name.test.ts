import t from 'tap'
import { roomName, sessionOfRoom } from '../../src/domain/room-name.ts'

const id = '0198c0de-0000-7000-8000-000000000001'

void t.test('a room is known by its session, whatever the agent type', async (t) => {
  for (const agentType of ['echo-agent', 'a', 'stella-0198c0de']) {
    t.equal(sessionOfRoom(roomName(agentType, id)), id)
  }
})

void t.test('rooms of other forms are somebody else’s', async (t) => {
  for (const room of [
    '',
    id,
    `-${id}`,
    `echo-agent-${id}x`,
    `echo-agent-${id.toUpperCase()}`,
    'lobby',
    `a\n-${id}`,
  ])
    t.equal(sessionOfRoom(room), undefined, JSON.stringify(room))
})
