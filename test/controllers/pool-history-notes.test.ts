import t from 'tap'
import { createPoolHistoryNotes } from '../../src/controllers/pool-history-notes.ts'
import type { PoolSample } from '../../src/domain/pool-history.ts'
import { createMetrics } from '../../src/metrics.ts'
import { silent } from '../support/kept-log.ts'

void t.test('each minute once, and again when it was not taken', async (t) => {
  const added: (readonly PoolSample[])[] = []
  let now = 60_000
  let away = false
  const metrics = createMetrics()
  const notes = createPoolHistoryNotes({
    history: {
      async add(samples) {
        if (away) throw new Error('PostgreSQL is away')
        added.push(samples)
      },
    },
    index: { waiting: async (agentType) => (agentType === 'a' ? 3 : undefined) },
    metrics,
    logger: silent,
    now: () => now,
  })
  await notes.look()
  t.same(added, [], 'without pools there is nothing to note')
  for (const agent_type of ['a', 'b']) metrics.poolSlots.set({ agent_type, state: 'ready' }, 2)
  metrics.poolSlots.set({ agent_type: 'a', state: 'claimed' }, 5)
  now = 120_000
  await notes.look()
  now = 179_999
  await notes.look()
  t.strictSame(added, [
    [
      { agentType: 'a', idle: 2, claimed: 5, waiting: 3 },
      { agentType: 'b', idle: 2, claimed: 0, waiting: undefined },
    ],
  ])
  now = 180_000
  away = true
  await t.rejects(notes.look(), /away/)
  away = false
  now = 190_000
  await notes.look()
  t.equal(added.length, 2)
})
