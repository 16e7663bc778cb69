import t from 'tap'
import { until } from '../../bed/processes/until.ts'
import { agentType } from './open-bed.ts'
import { startOpenServers } from './open-session-bed.ts'

/** Opens that find no slot: refused, or in a queue of their pool; cold ones are in cold-open.test.ts. */

const { startBed } = await startOpenServers(t)

void t.test('an empty pool fails at once when asked to', async (t) => {
  const { api, sessions } = await startBed(t, 0)
  const begun = performance.now()
  await t.rejects(api.open(), { code: 'GRN_POOL_EMPTY', status: 503 })
  t.ok(performance.now() - begun < 500)
  t.same(await sessions.list({ limit: 1 }), [])
})

void t.test('waiters are served first come, first served, when slots appear', async (t) => {
  const { api, agents, index } = await startBed(t, 3)
  await index.rebuild(agentType, [])
  const order: string[] = []
  const opens = ['a', 'b', 'c'].map(async (name) => {
    const answer = await api.open({ onEmpty: 'wait', metadata: { name } })
    order.push(name)
    return answer
  })
  await until('all wait', async () => (await index.waiting(agentType)) === 3)
  await t.rejects(api.open(), { code: 'GRN_POOL_EMPTY' }, 'a newcomer does not pass them')
  await index.add(agentType, agents.slots())
  api.tellIndexed()
  const answers = await Promise.all(opens)
  t.same(
    answers.map((answer) => answer.session.pod?.uid),
    ['pod-0', 'pod-1', 'pod-2'],
  )
  t.equal(order.length, 3)
  t.ok((answers[0]?.stagesMs.wait ?? 0) > 0, 'waiting is a stage of its own')
  await until('the queue is empty', async () => (await index.waiting(agentType)) === 0)
  t.equal(await index.size(agentType), 0, 'each got one slot')
})

void t.test('waiting ends at its deadline', async (t) => {
  const { api } = await startBed(t, 0)
  const begun = performance.now()
  await t.rejects(api.open({ onEmpty: 'wait', waitMs: 300 }), { code: 'GRN_POOL_EMPTY' })
  const ms = performance.now() - begun
  t.ok(ms >= 290 && ms < 1_000, `${Math.round(ms)} ms`)
})

void t.test('who goes away stops waiting and takes nothing', async (t) => {
  const { api, agents, index, claims } = await startBed(t, 1)
  await index.rebuild(agentType, [])
  const gone = new AbortController()
  const open = api.open({ onEmpty: 'wait', waitMs: 60_000 }, { signal: gone.signal })
  await until('waits', async () => (await index.waiting(agentType)) === 1)
  // In this order: what woke it must not make it take the slot.
  await index.add(agentType, agents.slots())
  gone.abort()
  await t.rejects(open, { code: 'GRN_POOL_EMPTY' })
  t.same(await claims(), [])
  await until('the queue is empty', async () => (await index.waiting(agentType)) === 0)
  t.equal(await index.size(agentType), 1, 'the slot is still there')
})

void t.test('a client that hangs up and asks again with its key is not told that it hung up', async (t) => {
  const { api, agents, index } = await startBed(t, 1)
  await index.rebuild(agentType, [])
  const gone = new AbortController()
  const request = { onEmpty: 'wait', waitMs: 60_000 } as const
  const first = api.open(request, { idempotencyKey: 'k', signal: gone.signal })
  await until('waits', async () => (await index.waiting(agentType)) === 1)
  const second = api.open(request, { idempotencyKey: 'k' })
  gone.abort()
  await t.rejects(first, { code: 'GRN_POOL_EMPTY' })
  await index.add(agentType, agents.slots())
  t.match(await second, { session: { status: 'ACTIVE' } })
})
