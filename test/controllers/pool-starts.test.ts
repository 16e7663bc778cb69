import t from 'tap'
import { createPoolStarts } from '../../src/controllers/pool-starts.ts'
import { slotView } from '../domain/slot-views.ts'

void t.test('a start is from the first sight of a pod to the first sight of it Ready, once', async (t) => {
  const starts = createPoolStarts(undefined)
  t.same(starts.look([], 10_000), { starts: [], oldestStartSeconds: 0, claimed: 0 })
  const warming = slotView('a', 'warming', { createdAt: 10_000 })
  t.same(starts.look([warming], 10_400), { starts: [], oldestStartSeconds: 0, claimed: 0 })
  t.same(starts.look([warming], 12_400).oldestStartSeconds, 2)
  const ready = slotView('a', 'ready', { createdAt: 10_000, readySince: 18_000 })
  t.same(starts.look([ready], 18_650), { starts: [8.25], oldestStartSeconds: 0, claimed: 0 })
  t.same(starts.look([warming], 19_000).starts, [], 'not Ready for a moment')
  t.same(starts.look([ready], 19_500).starts, [])
})

void t.test(
  'a pod that is Ready at first sight, or is taken at once, has the seconds of the API',
  async (t) => {
    const starts = createPoolStarts(undefined)
    starts.look([], 10_000)
    const claimed = slotView('a', 'claimed', { createdAt: 10_000, readySince: 13_000 })
    t.same(starts.look([claimed], 13_100), { starts: [3], oldestStartSeconds: 0, claimed: 1 })
    t.same(starts.look([claimed], 13_200).claimed, 0)
  },
)

void t.test('a new leader counts what became Ready after the last decision of the old one', async (t) => {
  const slots = [
    slotView('before', 'ready', { createdAt: 1_000, readySince: 5_000 }),
    slotView('after', 'claimed', { createdAt: 4_000, readySince: 12_000 }),
    slotView('warming', 'warming', { createdAt: 9_000 }),
  ]
  const starts = createPoolStarts(10_000)
  t.same(starts.look(slots, 15_000), { starts: [8], oldestStartSeconds: 6, claimed: 0 })
  const first = createPoolStarts(undefined)
  t.same(first.look(slots, 15_000).starts, [], 'without an old one nothing is known of their time')
  const ready = slotView('warming', 'ready', { createdAt: 9_000, readySince: 16_000 })
  t.same(first.look([ready], 16_500).starts, [7.5])
})

void t.test('pods of others say nothing about the starts of the pool', async (t) => {
  const starts = createPoolStarts(undefined)
  starts.look([], 0)
  const pod = { createdAt: 1_000, readySince: 3_000 }
  const others = (['foreign', 'unknown', 'changed'] as const).map((origin) =>
    slotView(origin, 'ready', { ...pod, origin }),
  )
  t.same(starts.look(others, 4_000).starts, [])
})
