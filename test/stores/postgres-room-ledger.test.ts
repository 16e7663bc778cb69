import t, { type Test } from 'tap'
import { endReason, type Session } from '../../src/domain/session.ts'
import { createPostgresRoomLedger } from '../../src/stores/postgres-room-ledger.ts'
import { newId, newRecord } from './open-records.ts'
import { freshStoreOn, opened } from './session-store-bed.ts'
import { startDatabase } from './store-servers.ts'

const database = await startDatabase(t)

async function startLedger(t: Test) {
  const bed = await freshStoreOn(database, t)
  const ledger = createPostgresRoomLedger(bed.postgres)
  return {
    ...bed,
    claims: bed.ledger,
    ledger,
    active: async (overrides = {}): Promise<Session> => {
      const session = await opened(bed.store, overrides)
      await bed.store.activate(session.id, session.epoch)
      return session
    },
    kinds: async (id: string) =>
      (
        await bed.postgres.durable.query<{ kind: string }>(
          'SELECT kind FROM session_events WHERE session_id = $1 ORDER BY id',
          [id],
        )
      ).rows.map(({ kind }) => kind),
  }
}

void t.test('the first report of a join counts, whoever makes it, and is an event', async (t) => {
  const { store, ledger, active, kinds } = await startLedger(t)
  const session = await active()
  t.match(await ledger.byIds([session.id]), [{ status: 'ACTIVE', awaitsAgent: true, roomMemory: undefined }])
  const first = await store.noteAgentJoined(session.id, session.epoch)
  t.match(first, { kind: 'done', isNew: true, session: { agentJoinedAt: Number } })
  const again = await store.noteAgentJoined(session.id, session.epoch)
  t.match(again, { kind: 'done', isNew: false })
  t.same(await ledger.noteAgents([session]), [], 'LiveKit tells what is known')
  const joinedAt = 'session' in first ? first.session.agentJoinedAt : undefined
  t.equal((await store.get(session.id))?.agentJoinedAt, joinedAt)
  t.same(await kinds(session.id), ['status', 'status', 'agent-joined'])
  t.match(await ledger.byIds([session.id]), [{ awaitsAgent: false }])
})

void t.test(
  'an agent joins before its session is ACTIVE, but not in another epoch or after the end',
  async (t) => {
    const { store, ledger } = await startLedger(t)
    const session = await opened(store)
    t.match(await store.noteAgentJoined(session.id, session.epoch + 1), { kind: 'stale-epoch' })
    t.match(await store.noteAgentJoined(newId(), 1), { kind: 'not-found' })
    t.match(await store.noteAgentJoined(session.id, session.epoch), { kind: 'done', isNew: true })
    t.match(await store.activate(session.id, session.epoch), { activeAt: Number })
    t.match(await store.get(session.id), { status: 'ACTIVE', agentJoinedAt: Number })
    await store.beginEnding(session.id, endReason.caller)
    t.match(await store.noteAgentJoined(session.id, session.epoch), { kind: 'over' })
    t.same(await ledger.noteAgents([session]), [])
  },
)

void t.test('another attempt has another agent: nothing of the room is left', async (t) => {
  const { store, ledger } = await startLedger(t)
  const session = await opened(store)
  await store.noteAgentJoined(session.id, session.epoch)
  await ledger.notePeople([session.id], 'RM_1')
  const next = {
    pod: { uid: 'p-next', name: 'next', ip: '127.0.0.9' },
    epoch: session.epoch + 1,
    reason: 'x',
  }
  await store.commitNextAttempt(session, next)
  t.match(await store.get(session.id), {
    epoch: session.epoch + 1,
    agentJoinedAt: undefined,
    participantJoinedAt: undefined,
    roomMemory: undefined,
  })
})

void t.test('people in a room: the first time is kept, the memory of LiveKit is the last one', async (t) => {
  const { store, ledger, active, kinds } = await startLedger(t)
  const session = await active()
  await ledger.notePeople([session.id], 'RM_1')
  const seenAt = (await store.get(session.id))?.participantJoinedAt
  await ledger.notePeople([session.id, newId()], 'RM_2')
  t.match(await store.get(session.id), { participantJoinedAt: seenAt, roomMemory: 'RM_2' })
  t.same(await kinds(session.id), ['status', 'status', 'participant-joined'])
})

void t.test('an agent that is overdue is marked once, and not when it has come', async (t) => {
  const { store, ledger, active } = await startLedger(t)
  const [late, there] = [await active(), await active()]
  await store.noteAgentJoined(there.id, there.epoch)
  t.equal(await ledger.markOverdue(late), true)
  t.equal(await ledger.markOverdue(late), false)
  t.equal(await ledger.markOverdue(there), false)
  t.match(await ledger.byIds([late.id]), [{ awaitsAgent: false }])
  t.match(await store.noteAgentJoined(late.id, late.epoch), { isNew: true }, 'late, but there')
  t.match(await store.get(late.id), { agentOverdueAt: Number, agentJoinedAt: Number })
})

void t.test('only ACTIVE sessions of this epoch end for their room', async (t) => {
  const { store, ledger, active } = await startLedger(t)
  const [one, stale] = [await active(), await active()]
  const pending = await opened(store, newRecord())
  const ended = await ledger.end([one, { ...stale, epoch: 9 }, pending], endReason.roomFinished)
  t.same(ended, [one.id])
  t.match(await store.get(one.id), { status: 'ENDING', endReason: 'room:finished' })
  t.same(await ledger.end([one], endReason.roomLeft), [], 'once')
  const live = new Map((await ledger.live()).map(({ id, status }) => [id, status]))
  t.strictSame([live.size, live.get(stale.id), live.get(pending.id)], [2, 'ACTIVE', 'PENDING'])
})

void t.test('a session that was ACTIVE once is not started again under its key', async (t) => {
  const { store, claims, ledger, active } = await startLedger(t)
  const session = await active({ fingerprint: 'f' })
  await ledger.end([session], endReason.agentNotJoined)
  await claims.finishEnding([session.id])
  const record = newRecord({
    id: session.id,
    epoch: session.epoch + 1,
    pod: { uid: 'p-2', name: 'p', ip: '127.0.0.9' },
  })
  const ended = await store.get(session.id)
  t.match(ended, { status: 'ENDED', endReason: 'failed:agent-not-joined' })
  if (ended) t.match(await store.reopen(ended, record), { kind: 'pod-taken' }, 'no pod is claimed')
  t.match(await store.get(session.id), { status: 'ENDED', epoch: session.epoch })
})

void t.test('what an agent says at its end is kept', async (t) => {
  const { store, active } = await startLedger(t)
  const session = await active()
  await store.beginEnding(session.id, endReason.agent, session.epoch, { detail: 'the caller said goodbye' })
  t.match(await store.get(session.id), { endReason: 'ended:agent', endDetail: 'the caller said goodbye' })
})
