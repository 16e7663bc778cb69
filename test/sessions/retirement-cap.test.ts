import t from 'tap'
import { createRetirementCap } from '../../src/sessions/retirement-cap.ts'

/** Redis is played: `others` is what the other replicas have noted; undefined while it is away. */
function start(others: { count: number | undefined } = { count: undefined }) {
  let time = 0
  let noted = 0
  const cap = createRetirementCap({
    now: () => time,
    index: {
      async noteFailure() {
        noted += 1
        return others.count === undefined ? undefined : others.count + noted
      },
    },
  })
  return {
    admit: (poolSize: number, agentType = 'x') =>
      cap.admit({ agentType, podUid: `pod-${noted}`, poolSize: () => poolSize }),
    reached: (poolSize: number, agentType = 'x') => cap.reached(agentType, () => poolSize),
    at: (ms: number) => {
      time = ms
    },
  }
}

void t.test('two, or 5 % of the pool, in ten seconds', async (t) => {
  for (const [poolSize, allowed] of [
    [0, 2],
    [20, 2],
    [59, 2],
    [60, 3],
    [1_000, 50],
  ] as const) {
    const { admit, reached, at } = start()
    for (let n = 0; n < allowed; n += 1) {
      t.equal(reached(poolSize), false, `${n} of ${allowed} in a pool of ${poolSize}`)
      t.equal(await admit(poolSize), true)
    }
    t.equal(reached(poolSize), true)
    t.equal(reached(poolSize, 'other'), false)
    at(9_999)
    t.equal(reached(poolSize), true)
    t.equal(await admit(poolSize), false, 'one that was under way')
    at(10_000)
    t.equal(reached(poolSize), true, 'it failed still a moment ago')
    at(19_999)
    t.equal(reached(poolSize), false)
    t.equal(await admit(poolSize), true)
  }
})

void t.test('the window slides', async (t) => {
  const { admit, reached, at } = start()
  await admit(10)
  at(6_000)
  await admit(10)
  at(10_500)
  t.equal(reached(10), false, 'the first one is forgotten')
  await admit(10)
  t.equal(reached(10), true)
})

void t.test('what failed at other replicas counts as well', async (t) => {
  const { admit, reached } = start({ count: 2 })
  t.equal(reached(10), false, 'nobody has told it')
  t.equal(await admit(10), false)
  t.equal(reached(10), true)
})
