import t from 'tap'
import { until } from '../../bed/processes/until.ts'
import { createInvariantWatch } from '../../src/controllers/invariant-watch.ts'
import { invariantKinds } from '../../src/domain/invariants/broken-invariant.ts'
import type { InvariantSources } from '../../src/domain/invariants/read-invariant-snapshot.ts'
import { GreenroomError } from '../../src/errors.ts'
import { createMetrics } from '../../src/metrics.ts'
import { corruptions } from '../domain/invariants/invariant-corruptions.ts'
import { addSession, emptyWorld, snapshotOf, type World } from '../domain/invariants/invariant-world.ts'
import { keptLog } from '../support/kept-log.ts'

function bed() {
  let world: World = emptyWorld()
  let time = 0
  const away = new Set<'pods' | 'ledger' | 'index'>()
  const readPods: string[][] = []
  const askedFor: string[][] = []
  const fail = (store: 'pods' | 'ledger' | 'index') => {
    if (away.has(store)) throw new GreenroomError('GRN_NOT_READY', store)
  }
  const sources: InvariantSources = {
    async pods() {
      fail('pods')
      return snapshotOf(world).pods?.pods ?? []
    },
    ledger: {
      async read(podUids) {
        fail('ledger')
        readPods.push([...podUids])
        return snapshotOf(world).ledger ?? { nowMs: 0, claims: [], sessions: [] }
      },
    },
    index: {
      pools: () => Promise.reject(new Error('the controller knows its pools')),
      async read(agentTypes) {
        fail('index')
        askedFor.push([...agentTypes])
        return snapshotOf(world).index ?? []
      },
    },
    agentTypes: (pods) => ['from-the-document', ...pods.map((pod) => pod.agentType)],
  }
  const metrics = createMetrics()
  const { logger, lines } = keptLog()
  const watch = createInvariantWatch({ sources, metrics, logger, now: () => time })
  return {
    watch,
    metrics,
    readPods,
    askedFor,
    away,
    setWorld: (next: World) => {
      world = next
    },
    advance: (ms: number) => {
      time += ms
    },
    gauge: async (): Promise<Record<string, number>> => {
      const { values } = await metrics.invariantViolations.get()
      return Object.fromEntries(values.map(({ labels, value }) => [labels.kind, value]))
    },
    violated: () => lines.filter((line) => line.includes('"invariant is broken"')),
    lines,
  }
}

function planted(name: string): World {
  const world = emptyWorld()
  corruptions[name]?.plant(world)
  return world
}

void t.test('nothing is broken: every kind is there, with 0', async (t) => {
  const { watch, gauge, readPods, askedFor, setWorld } = bed()
  const world = emptyWorld()
  addSession(world, 'x')
  setWorld(world)
  await watch.look()
  t.same(await gauge(), Object.fromEntries(invariantKinds.map((kind) => [kind, 0])))
  t.same(readPods, [['pod-of-x']])
  t.same(askedFor, [['from-the-document', 'echo-agent']])
})

void t.test('counted and logged once, also when it lasts; told again when it comes back', async (t) => {
  const { watch, gauge, violated, setWorld } = bed()
  for (const lines of [1, 1]) {
    setWorld(planted('two claims on one pod'))
    await watch.look()
    t.equal((await gauge())['pod-claimed-twice'], 1)
    t.equal(violated().length, lines)
  }
  t.match(JSON.parse(violated()[0] ?? ''), {
    level: 50,
    kind: 'pod-claimed-twice',
    subject: 'pod-of-planted',
    detail: /one claim/,
  })
  setWorld(emptyWorld())
  await watch.look()
  t.equal((await gauge())['pod-claimed-twice'], 0)
  setWorld(planted('two claims on one pod'))
  await watch.look()
  t.equal(violated().length, 2)
})

void t.test('what may be on its way counts at the second look', async (t) => {
  const { watch, gauge, advance, setWorld } = bed()
  setWorld(planted('active, its pod gone'))
  await watch.look()
  t.equal((await gauge())['session-without-pod'], 0)
  advance(15_000)
  await watch.look()
  t.equal((await gauge())['session-without-pod'], 1)
})

void t.test(
  'a store that is away: its kinds keep their value, the others are judged, the loop hears of it',
  async (t) => {
    const { watch, gauge, away, advance, setWorld } = bed()
    setWorld(planted('retired and still there'))
    await watch.look()
    advance(15_000)
    await watch.look()
    t.equal((await gauge())['retired-pod-remains'], 1)
    setWorld(planted('two claims on one pod'))
    away.add('pods')
    away.add('index')
    await t.rejects(watch.look(), { code: 'GRN_NOT_READY', message: 'pods' })
    t.match(await gauge(), { 'retired-pod-remains': 1, 'pod-claimed-twice': 1, 'slot-offered-twice': 0 })
  },
)

void t.test('thousands at once are twenty lines and a number', async (t) => {
  const { watch, gauge, violated, lines, setWorld } = bed()
  const world = emptyWorld()
  for (let n = 0; n < 1_000; n += 1) addSession(world, `x${n}`, { activeAt: undefined })
  setWorld(world)
  await watch.look()
  t.equal((await gauge())['active-never-acknowledged'], 1_000)
  t.equal(violated().length, 20)
  t.equal(lines.filter((line) => line.includes('"more":980')).length, 1)
})

void t.test('it looks while leading, and a follower says nothing', async (t) => {
  const { watch, gauge, readPods } = bed()
  const leading = new AbortController()
  const run = watch.run(leading.signal)
  await until('a look', () => readPods.length > 0)
  await until('the gauge', async () => Object.keys(await gauge()).length === invariantKinds.length)
  leading.abort()
  await run
  t.same(await gauge(), {})
})
