import t from 'tap'
import { lookAgainMs } from '../../src/domain/absence-guard.ts'
import { roomBed } from './room-bed.ts'

/** What the looks at LiveKit decide. The real LiveKit is in test/e2e/rooms.test.ts. */

void t.test('a session whose last participant left ends after the grace time', async (t) => {
  const bed = roomBed()
  const id = bed.session()
  await bed.looks.all()
  bed.leave(id)
  t.equal(await bed.looks.all(), 20_000, 'the next look is due when the grace time is over')
  bed.advance(19_999)
  await bed.looks.all()
  t.strictSame(bed.ended, [])
  bed.advance(1)
  await bed.looks.all()
  t.strictSame(bed.ended, [id])
  t.equal(bed.reason(id), 'room:left')
})

void t.test('who comes back in time keeps the session, and the next absence counts anew', async (t) => {
  const bed = roomBed()
  const id = bed.session()
  await bed.looks.all()
  bed.leave(id)
  await bed.looks.all()
  bed.advance(15_000)
  bed.roomOf(id)?.people.push('ann')
  await bed.looks.some([id])
  bed.leave(id)
  await bed.looks.some([id])
  bed.advance(15_000)
  await bed.looks.all()
  t.strictSame(bed.ended, [])
})

void t.test(
  'a room that was closed ends its session when it is still missing two seconds later',
  async (t) => {
    const bed = roomBed()
    const id = bed.session()
    await bed.looks.all()
    bed.closeRoom(id)
    await bed.looks.some([id])
    t.strictSame(bed.ended, [], 'what a webhook tells ends nothing by itself')
    bed.advance(1_999)
    await bed.looks.all()
    t.strictSame(bed.ended, [], 'a LiveKit that is being stopped closes its rooms first')
    bed.advance(1)
    await bed.looks.all()
    t.strictSame(bed.ended, [id])
    t.equal(bed.reason(id), 'room:finished')
  },
)

void t.test('nobody is missed who was never seen', async (t) => {
  const bed = roomBed()
  const lonely = bed.session({ people: [] })
  const roomless = bed.session({ people: [] })
  bed.closeRoom(roomless)
  for (let n = 0; n < 20; n += 1) {
    await bed.looks.all()
    bed.advance(60_000)
  }
  t.strictSame(bed.ended, [], 'their leases decide')
  t.ok(bed.rows.has(lonely))
})

void t.test('a LiveKit that was restarted and has forgotten its rooms ends nobody', async (t) => {
  const bed = roomBed()
  const ids = [bed.session(), bed.session(), bed.session()]
  await bed.looks.all()
  for (const id of ids) bed.closeRoom(id)
  await bed.looks.some(ids)
  bed.liveKit.isAway = true
  await bed.looks.all()
  bed.advance(5_000)
  bed.liveKit.isAway = false
  bed.liveKit.memory = 'RM_2'
  for (let n = 0; n < 10; n += 1) {
    await bed.looks.all()
    bed.advance(60_000)
  }
  t.strictSame(bed.ended, [])
  // Somebody who comes back is known to the new memory, and is missed from then on.
  const [first = ''] = ids
  bed.rooms.set(`echo-agent-${first}`, { people: ['ann'], agents: [], isOurs: true })
  await bed.looks.all()
  bed.closeRoom(first)
  await bed.looks.all()
  bed.advance(2_000)
  await bed.looks.all()
  t.strictSame(bed.ended, [first])
})

void t.test('while LiveKit is away every clock stands still', async (t) => {
  const bed = roomBed()
  const left = bed.session()
  const late = bed.session({ agent: false, people: [] })
  await bed.looks.all()
  bed.leave(left)
  await bed.looks.all()
  bed.liveKit.isAway = true
  bed.advance(120_000)
  t.equal(await bed.looks.all(), undefined)
  t.equal(await bed.looks.some([left]), undefined)
  bed.liveKit.isAway = false
  await bed.looks.all()
  t.strictSame([bed.ended, bed.retried], [[], []], 'two minutes without LiveKit are nobody’s absence')
  bed.advance(9_999)
  await bed.looks.all()
  t.strictSame(bed.retried, [])
  bed.advance(1)
  await bed.looks.all()
  t.strictSame(bed.retried, [late])
  t.equal(bed.log.lines.filter((line) => line.includes('does not answer')).length, 1, 'told once')
})

void t.test('many at once freeze: no session ends, and there is an alarm', async (t) => {
  const bed = roomBed()
  const ids = Array.from({ length: 30 }, () => bed.session())
  await bed.looks.all()
  for (const id of ids) bed.closeRoom(id)
  await bed.looks.all()
  for (let n = 0; n < 10; n += 1) {
    bed.advance(lookAgainMs)
    await bed.looks.all()
  }
  t.strictSame(bed.ended, [])
  const frozen = await bed.metrics.absenceFrozen.get()
  t.equal(frozen.values.find(({ labels }) => labels.what === 'rooms')?.value, 1)
  t.equal(bed.log.lines.filter((line) => line.includes('frozen: too many sessions')).length, 1, 'told once')
})

void t.test('an agent that is late gets a fresh token, and then its session ends', async (t) => {
  const bed = roomBed()
  const id = bed.session({ agent: false })
  t.equal(await bed.looks.all(), 10_000)
  bed.advance(10_000)
  t.equal(await bed.looks.all(), 10_000)
  t.strictSame(bed.retried, [id])
  bed.advance(9_999)
  await bed.looks.all()
  t.strictSame(bed.ended, [])
  bed.advance(1)
  await bed.looks.all()
  t.strictSame([bed.ended, bed.retried], [[id], [id]])
  t.equal(bed.reason(id), 'failed:agent-not-joined')
})

void t.test('an agent that came without a word is seen in the room', async (t) => {
  const bed = roomBed()
  const id = bed.session({ agent: false })
  bed.roomOf(id)?.agents.push(`agent-${id}-1`)
  await bed.looks.all()
  t.equal(bed.rows.get(id)?.awaitsAgent, false)
  const other = bed.session({ agent: false })
  bed.roomOf(other)?.agents.push(`agent-${other}-2`)
  await bed.looks.all()
  t.equal(bed.rows.get(other)?.awaitsAgent, true, 'the agent of another attempt is not this one')
})

void t.test('a type may ask only to mark late agents, or not to watch them', async (t) => {
  for (const [onNotJoined, marked] of [
    ['mark', true],
    ['ignore', undefined],
  ] as const) {
    const bed = roomBed({ onNotJoined })
    const id = bed.session({ agent: false })
    for (let n = 0; n < 5; n += 1) {
      await bed.looks.all()
      bed.advance(10_000)
    }
    t.strictSame(bed.ended, [])
    t.equal(bed.rows.get(id)?.overdue, marked, onNotJoined)
    t.strictSame(bed.retried, marked ? [id] : [])
  }
})

void t.test('the rooms of ended sessions go, with whoever came back into them', async (t) => {
  const bed = roomBed()
  const [over, ending, live] = [bed.session(), bed.session(), bed.session()]
  bed.put(over, { status: 'ENDED' })
  bed.put(ending, { status: 'ENDING' })
  await bed.looks.some([over, ending, live])
  t.notOk(bed.roomOf(over))
  t.ok(bed.roomOf(ending), 'the agent may still say goodbye')
  bed.rooms.set(`echo-agent-${over}`, { people: ['ann'], agents: [], isOurs: true })
  await bed.looks.all()
  t.notOk(bed.roomOf(over), 'the sweep finds it without a word')
  t.ok(bed.roomOf(live))
})

void t.test('a room without a record is removed if it is ours, and rooms of others stay', async (t) => {
  const bed = roomBed()
  const orphan = bed.session()
  const foreign = bed.session()
  bed.rows.clear()
  bed.rooms.set('lobby', { people: ['bob'], agents: [], isOurs: true })
  bed.rooms.set(`echo-agent-${foreign}`, { people: ['bob'], agents: [], isOurs: false })
  await bed.looks.all()
  t.notOk(bed.roomOf(orphan))
  t.ok(bed.roomOf(foreign), 'of another installation on the same LiveKit')
  t.ok(bed.rooms.has('lobby'))
  t.match(await bed.metrics.registry.metrics(), /greenroom_rooms_removed_total\{cause="orphan"\} 1/)
})

void t.test('after a restored backup no record is no proof: the rooms stay', async (t) => {
  const bed = roomBed()
  for (let n = 0; n < 30; n += 1) bed.session()
  bed.rows.clear()
  for (let n = 0; n < 10; n += 1) {
    await bed.looks.all()
    bed.advance(lookAgainMs)
  }
  t.equal(bed.rooms.size, 30)
  const alarm = async () =>
    (await bed.metrics.absenceFrozen.get()).values.find(({ labels }) => labels.what === 'records')?.value
  t.equal(await alarm(), 1)
  bed.rooms.clear()
  await bed.looks.all()
  t.equal(await alarm(), 0, 'it ends with the last of them')
})
