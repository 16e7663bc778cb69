import fc from 'fast-check'
import t from 'tap'
import { cursorAfter, isSessionId, parseCursor, sessionView } from '../../src/http/session-view.ts'
import { knownId, newSession, startApi } from './api-bed.ts'

void t.test('a session as callers see it', async (t) => {
  t.strictSame(sessionView(newSession({ projectId: 'p', metadata: { a: 1 } })), {
    id: knownId,
    status: 'ACTIVE',
    agentType: 'echo-agent',
    roomName: 'lobby',
    epoch: 3,
    pod: { name: 'echo-agent-abcde', uid: 'uid-1', ip: '127.1.2.3' },
    lease: { expiresAt: '2026-01-02T00:00:00.000Z', renewAfterMs: 20_000, heldBy: 'both' },
    createdAt: '2026-01-01T00:00:00.000Z',
    projectId: 'p',
    metadata: { a: 1 },
    activeAt: '2026-01-01T00:00:01.000Z',
  })
  const ended = sessionView(newSession({ status: 'ENDED', endReason: 'ended:caller', endedAt: 0.75 }))
  t.match(ended, { endReason: 'ended:caller', endedAt: '1970-01-01T00:00:00.000Z' })
})

void t.test('cursors come back as they went out; nothing else is one', async (t) => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 8e15, noNaN: true }), (createdAt) => {
      const parsed = parseCursor(cursorAfter(newSession({ createdAt })))
      return parsed.createdAt === createdAt && parsed.id === knownId
    }),
  )
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const wrong = [
    '',
    '%',
    encode(null),
    encode([]),
    encode([1]),
    encode(['1', knownId]),
    encode([1, 'x']),
    encode({}),
  ]
  for (const cursor of [...wrong, encode([null, knownId]), 'bnVsbA'])
    t.throws(() => parseCursor(cursor), { code: 'GRN_INVALID_REQUEST' }, cursor)
})

void t.test('pages: one more is read than shown, and the cursor leads on', async (t) => {
  const api = await startApi(t)
  const other = '0198c0de-0000-7000-8000-000000000002'
  api.rows.set(other, newSession({ id: other, createdAt: 5 }))
  const first = (await api.call('GET', '/v1/sessions?limit=1&status=ACTIVE&projectId=p&agentType=a')).json()
  t.equal(first.sessions.length, 1)
  t.strictSame({ ...api.listed.at(-1) }, { status: 'ACTIVE', projectId: 'p', agentType: 'a', limit: 2 })
  await api.call('GET', `/v1/sessions?limit=1&cursor=${first.nextCursor}`)
  t.match(api.listed.at(-1), { before: { id: knownId, createdAt: Date.UTC(2026, 0, 1) } })
  const all = (await api.call('GET', '/v1/sessions')).json()
  t.equal(all.sessions.length, 2)
  t.notOk('nextCursor' in all)
  t.equal(api.listed.at(-1)?.limit, 51)
})

void t.test('ids', async (t) => {
  t.ok(isSessionId(knownId))
  for (const id of ['', 'x', `${knownId}\n`, ` ${knownId}`, knownId.toUpperCase(), 1, null])
    t.notOk(isSessionId(id))
})
