import { readFile } from 'node:fs/promises'
import { DisconnectReason } from '@livekit/rtc-node'
import t from 'tap'
import { until } from '../../bed/processes/until.ts'
import { pidOfPod } from '../support/pod-process.ts'
import { everyObject, everyTable, filesWith } from '../support/secret-search.ts'
import { agentOf, patienceMs, roomOf, startRooms, visit } from './room-bed.ts'

/** A session and its LiveKit room, every part real. What LiveKit does when it fails is in room-faults.test.ts. */

const {
  bed,
  livekit,
  rooms,
  client,
  kubectl,
  open,
  untilEnded,
  untilJoined,
  identitiesIn,
  isThere,
  freshToken,
} = await startRooms(t)

void t.test(
  'a claim is a conversation: the agent joins, a person speaks, the pod that was claimed answers',
  async (t) => {
    const session = await open({ participant: { identity: 'ada', name: 'Ada' } })
    t.match(session.livekit, { url: livekit.url, room: `echo-agent-${session.id}` })
    const joined = await untilJoined(session)
    t.ok(Date.parse(joined.agentJoinedAt ?? '') >= Date.parse(session.createdAt))
    t.same(await identitiesIn(roomOf(session)), [agentOf(session)])
    const [room] = await rooms.listRooms([roomOf(session)])
    t.match(
      room,
      { emptyTimeout: 3_600, departureTimeout: 35 },
      'as long as the session, and after the last departure a little longer than Greenroom waits',
    )
    const ada = await visit(session)
    await ada.exchange('hello ✓')
    const seen = await until('the person seen', async () => {
      const { body } = await client.read(session.id)
      return body.participantJoinedAt !== undefined && body
    })
    t.ok(Date.parse(seen.participantJoinedAt ?? '') >= Date.parse(joined.agentJoinedAt ?? ''))

    await client.end(session.id)
    t.match(await untilEnded(session.id), { endReason: 'ended:caller' })
    t.equal(await ada.left, DisconnectReason.ROOM_DELETED)
    await until('the room to go', async () => !(await isThere(roomOf(session))))

    const again = await visit(session)
    await again.left
    await until(
      'the room to go again: its token was still good',
      async () => !(await isThere(roomOf(session))),
    )
  },
)

void t.test(
  'names of any script, as long as LiveKit takes them; longer ones are refused at the open',
  async (t) => {
    const wide = '😀'.repeat(64)
    const session = await open({
      participant: { identity: wide, name: wide },
      metadata: { wide: wide.repeat(256) },
    })
    await untilJoined(session)
    const somebody = await visit(session)
    await somebody.exchange('ünï')
    t.ok((await identitiesIn(roomOf(session))).includes(wide))
    await somebody.leave()
    await client.end(session.id)
    const refused = await client.open({ agentType: 'echo-agent', participant: { identity: `${wide}a` } })
    t.match(refused, { status: 400, body: { code: 'GRN_INVALID_REQUEST', detail: /257 bytes/ } })
  },
)

void t.test(
  'the session ends when its last person has been gone for the grace time, not before',
  async (t) => {
    const session = await open()
    await untilJoined(session)
    const ann = await visit(session)
    await until('ann seen', async () => (await client.read(session.id)).body.participantJoinedAt)
    await ann.leave()
    const back = await visit(await freshToken(session))
    t.match((await client.read(session.id)).body, { status: 'ACTIVE' }, 'back in time')
    await back.exchange('still here')
    await back.leave()
    t.match(await untilEnded(session.id), { endReason: 'room:left' })
  },
)

void t.test('the session ends when somebody closes its room at LiveKit', async (t) => {
  const session = await open()
  await untilJoined(session)
  const ann = await visit(session)
  await until('ann seen', async () => (await client.read(session.id)).body.participantJoinedAt)
  await rooms.deleteRoom(roomOf(session))
  t.equal(await ann.left, DisconnectReason.ROOM_DELETED)
  t.match(await untilEnded(session.id), { endReason: 'room:finished' })
})

void t.test('rooms of others, and of other installations, are left alone; our orphans go', async (t) => {
  const id = '0198c0de-0000-7000-8000-00000000abcd'
  const [memory] = (await rooms.listRooms()).filter(({ name }) => name.startsWith('greenroom-memory-'))
  t.ok(memory?.metadata, 'by its metadata Greenroom knows its own')
  await rooms.createRoom({ name: 'lobby', metadata: memory?.metadata ?? '' })
  await rooms.createRoom({ name: `stella-agent-${id}`, metadata: '{"greenroom":"another"}' })
  await rooms.createRoom({ name: `echo-agent-${id}`, metadata: memory?.metadata ?? '' })
  await until('the orphan to go', async () => !(await isThere(`echo-agent-${id}`)), patienceMs)
  t.ok(await isThere('lobby'))
  t.ok(await isThere(`stella-agent-${id}`))
})

void t.test('LiveKit’s secret is in no pod, no object, no table and no log', async (t) => {
  const session = await open()
  await untilJoined(session)
  t.notMatch(await readFile(`/proc/${await pidOfPod(session.pod.uid)}/environ`, 'utf8'), livekit.apiSecret)
  t.notMatch(await everyObject(bed), livekit.apiSecret)
  t.notMatch(await everyTable(bed), livekit.apiSecret)
  const files = await filesWith(bed, livekit.apiSecret)
  t.same(
    files.filter((path) => !path.endsWith('livekit/livekit.yaml')),
    [],
  )
  t.match(await kubectl('get', 'pods', '-o', 'name'), /pod\//)
})
