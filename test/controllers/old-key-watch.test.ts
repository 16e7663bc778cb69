import { pino } from 'pino'
import t from 'tap'
import { createOldKeyWatch } from '../../src/controllers/old-key-watch.ts'
import { createMetrics } from '../../src/metrics.ts'
import { readyPod } from '../support/fake-pod-view.ts'

const key = (kid: string) => ({ kty: 'OKP', crv: 'Ed25519', kid, x: kid.padEnd(43, 'A'), use: 'sig' })
const setOf = (...kids: string[]) => JSON.stringify({ keys: kids.map(key) })
const waitMs = 10_000

/** A cluster after a roll-out: one pod that has both keys, and one server that signs with both. */
function bed() {
  const metrics = createMetrics()
  const state = {
    text: setOf('new', 'old'),
    version: 1,
    listed: [['new', 'old']],
    signers: [['new', 'old']],
    informed: [] as string[][],
    staleSince: undefined as number | undefined,
    synced: true,
    clock: 0,
    writes: 0,
  }
  const notes: string[] = []
  const watch = createOldKeyWatch({
    keySet: {
      async read() {
        const { text, version } = state
        return {
          text,
          uid: 'u',
          async replace(next) {
            state.writes += 1
            if (version !== state.version) throw new Error('conflict')
            Object.assign(state, { text: next, version: version + 1 })
          },
        }
      },
    },
    signers: { since: async () => state.signers },
    pods: {
      all: () => state.informed.map((assignKeyIds, at) => readyPod({ uid: `pod-${at}`, assignKeyIds })),
      synced: () => state.synced,
      staleSince: () => state.staleSince,
    },
    listed: async () => state.listed,
    waitMs,
    report: (note) => notes.push(note),
    metrics,
    logger: pino({ level: 'silent' }),
    monotonicMs: () => state.clock,
  })
  return {
    state,
    notes,
    metrics,
    watch,
    kids: () => JSON.parse(state.text).keys.map(({ kid }: { kid: string }) => kid),
    /** Looks once now, and once after the wait. */
    wait: async (): Promise<void> => {
      await watch.look()
      state.clock += waitMs
      await watch.look()
    },
  }
}

void t.test('an old key goes after the wait, and what is left stays as it was', async (t) => {
  const { state, watch, kids, wait, notes, metrics } = bed()
  await watch.look()
  state.clock += waitMs - 1
  await watch.look()
  t.same(kids(), ['new', 'old'])
  t.equal((await metrics.assignKeys.get()).values[0]?.value, 2)
  state.clock += 1
  await watch.look()
  t.equal(state.text, setOf('new'))
  t.match(notes, [/no session server needs them any more: old$/])
  t.equal((await metrics.assignKeysRemoved.get()).values[0]?.value, 1)
  t.equal((await metrics.assignKeys.get()).values[0]?.value, 1)
  await wait()
  t.equal(state.writes, 1, 'nothing is left to do')
})

void t.test('a key stays while anything needs it or anything is unknown', async (t) => {
  const reasons: Readonly<Record<string, (state: ReturnType<typeof bed>['state']) => void>> = {
    'a pod lists it and not the newest': (state) => state.listed.push(['old']),
    'only the informer has such a pod': (state) => state.informed.push(['old']),
    'a server cannot sign with the newest': (state) => state.signers.push(['old']),
    'no server has said what it signs with': (state) => state.signers.splice(0),
    'the informer is stale': (state) => Object.assign(state, { staleSince: 1 }),
    'the informer has seen no list': (state) => Object.assign(state, { synced: false }),
  }
  for (const [why, change] of Object.entries(reasons)) {
    const { state, kids, wait } = bed()
    change(state)
    await wait()
    t.same(kids(), ['new', 'old'], why)
    t.equal(state.writes, 0, why)
  }
})

void t.test('after a stale view, a failed look and a change of leader the wait begins anew', async (t) => {
  const breaks: Readonly<Record<string, (made: ReturnType<typeof bed>) => Promise<unknown>>> = {
    async stale({ state, watch }) {
      state.staleSince = 1
      await watch.look()
      state.staleSince = undefined
    },
    async 'a failed look'({ state, watch }) {
      const { text } = state
      Object.defineProperty(state, 'text', {
        configurable: true,
        get() {
          throw new Error('away')
        },
      })
      await t.rejects(watch.look(), /away/)
      Object.defineProperty(state, 'text', { configurable: true, writable: true, value: text })
    },
    'a new leader': ({ watch }) => watch.run(AbortSignal.abort()),
  }
  for (const [what, interrupt] of Object.entries(breaks)) {
    const made = bed()
    await made.watch.look()
    await interrupt(made)
    made.state.clock += waitMs
    await made.watch.look()
    t.same(made.kids(), ['new', 'old'], what)
    made.state.clock += waitMs
    await made.watch.look()
    t.same(made.kids(), ['new'], what)
  }
})
