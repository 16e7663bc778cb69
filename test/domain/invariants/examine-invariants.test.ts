import t from 'tap'
import { examineInvariants } from '../../../src/domain/invariants/examine-invariants.ts'
import type { InvariantSources } from '../../../src/domain/invariants/read-invariant-snapshot.ts'
import { corruptions } from './invariant-corruptions.ts'
import { emptyWorld, snapshotOf, type World } from './invariant-world.ts'

/** Each look reads the next world; after the last one it stays. Time is what the pauses add up to. */
function bed(worlds: readonly World[], away?: 'redis') {
  let time = 0
  let looks = 0
  const world = () => worlds[Math.min(looks, worlds.length) - 1] ?? emptyWorld()
  const sources: InvariantSources = {
    async pods() {
      looks += 1
      return snapshotOf(world()).pods?.pods ?? []
    },
    ledger: { read: async () => snapshotOf(world()).ledger ?? { nowMs: 0, claims: [], sessions: [] } },
    index: {
      pools: async () => [],
      async read() {
        if (away) throw new Error('Redis is away')
        return snapshotOf(world()).index ?? []
      },
    },
  }
  const examine = (settleMs?: number) =>
    examineInvariants(sources, {
      settleMs,
      epochMs: () => 0,
      monotonicMs: () => time,
      async pause(ms) {
        time += ms
      },
    })
  return { examine, looks: () => looks, time: () => time }
}

function planted(name: string): World {
  const world = emptyWorld()
  corruptions[name]?.plant(world)
  return world
}

void t.test('one look when all is well, and when one store proves what is broken', async (t) => {
  const sound = bed([emptyWorld()])
  t.same((await sound.examine()).broken, [])
  t.equal(sound.looks(), 1)
  const doubled = bed([planted('two claims on one pod')])
  t.match((await doubled.examine()).broken, [{ kind: 'pod-claimed-twice' }])
  t.equal(doubled.looks(), 1)
})

void t.test('what may still go away is looked at again, until it counts or is gone', async (t) => {
  const lasting = bed([planted('active, its pod gone')])
  t.match((await lasting.examine()).broken, [{ kind: 'session-without-pod' }])
  t.equal(lasting.time(), 10_000, 'as long as the kind must be seen')
  const healing = bed([planted('active, its pod gone'), emptyWorld()])
  t.same((await healing.examine()).broken, [])
  t.equal(healing.looks(), 2)
})

void t.test('the caller may shorten that', async (t) => {
  const hasty = bed([planted('active, its pod gone')])
  t.match((await hasty.examine(50)).broken, [{ kind: 'session-without-pod' }])
  t.equal(hasty.time(), 50)
  const atOnce = bed([planted('active, its pod gone')])
  t.match((await atOnce.examine(0)).broken, [{ kind: 'session-without-pod' }])
  t.equal(atOnce.looks(), 1)
})

void t.test('a store that is away is named, and the others are judged', async (t) => {
  const { examine } = bed([planted('two claims on one pod')], 'redis')
  const { broken, unread } = await examine()
  t.match(broken, [{ kind: 'pod-claimed-twice' }])
  t.match(unread, [{ store: 'redis', error: { message: 'Redis is away' } }])
})
