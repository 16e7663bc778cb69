import t from 'tap'
import type { Reservation, SlotIndex } from '../../src/domain/index-ports.ts'
import { createMetrics } from '../../src/metrics.ts'
import { createAwaitFitness } from '../../src/sessions/await-fitness.ts'
import { createEmptyPool } from '../../src/sessions/empty-pool.ts'
import { createPoolWaiters } from '../../src/sessions/pool-waiters.ts'
import { createSlotCandidates } from '../../src/sessions/slot-candidates.ts'
import { createSlotTaker, type SlotRequest } from '../../src/sessions/slot-taker.ts'
import { createFakePodView, readyPod } from '../support/fake-pod-view.ts'
import { agentType } from './open-bed.ts'

/** The index is played here, so that it can be wrong; with the real one it is in open-session.test.ts. */
function startTaker(answers: Reservation[] | ((attempt: number) => Reservation)) {
  const pods = createFakePodView()
  const calls: string[] = []
  const index: SlotIndex = {
    reserve: async ({ attempt }) => {
      calls.push(`reserve ${attempt}`)
      if (typeof answers === 'function') return answers(attempt)
      return answers.shift() ?? { kind: 'empty' }
    },
    reserveAll: () => Promise.reject(new Error('one slot is wanted here')),
    settle: async () => void calls.push('settle'),
    giveBack: async () => void calls.push('give back'),
    drop: async (_type, uids) => void calls.push(`drop ${uids.join()}`),
    look: async () => undefined,
    areBuilt: async () => true,
    add: async () => true,
    rebuild: async () => true,
    size: async () => 0,
    keepWaiting: async (_type, waiters) => {
      calls.push('keep waiting')
      return waiters.map(({ place }) => place ?? 1)
    },
    leaveWaiting: async () => void calls.push('leave'),
    waiting: async () => 0,
    noteFailure: async () => 1,
  }
  const metrics = createMetrics()
  const waiters = createPoolWaiters({ index, metrics, clock: () => Date.now() })
  const candidates = createSlotCandidates(pods.view, 'api-1')
  const now = () => performance.now()
  const refillRate = { retryAfterMs: () => 1_000 }
  const emptyPool = createEmptyPool({ read: async () => undefined })
  const takeSlot = createSlotTaker({
    index,
    pods: pods.view,
    candidates,
    awaitFitness: createAwaitFitness({ pods: pods.view, now }),
    waiters,
    refillRate,
    emptyPool,
    wakes: { publish: ({ kind }) => void calls.push(`wake ${kind}`) },
    metrics,
    now,
  })
  const refused = async () =>
    (await metrics.proposalsRefused.get()).values.map(({ labels, value }) => [labels.cause, value])
  const request = (overrides: Partial<SlotRequest> = {}): SlotRequest => ({
    agentType,
    sessionId: 's1',
    wait: false,
    headStartMs: 0,
    queuePlace: { place: undefined },
    arrival: { isCounted: false, isMissed: false },
    waitUntil: now() + 1_000,
    takePlace: async () => () => {},
    signal: new AbortController().signal,
    ...overrides,
  })
  const take = (tried: string[] = [], lastAttempt = 0, overrides: Partial<SlotRequest> = {}) =>
    takeSlot(request(overrides), lastAttempt, new Set(tried))
  return { pods, calls, take, waiters, candidates, refused }
}

const reserved = (podUid: string): Reservation => ({ kind: 'reserved', podUid })

void t.test('the reserved pod is taken with the number of its attempt', async (t) => {
  const { pods, take } = startTaker([reserved('a')])
  pods.set(readyPod({ uid: 'a' }))
  t.match(await take([], 4), { pod: { uid: 'a' }, attempt: 5, waited: false, waitedMs: 0 })
})

void t.test('pods that are dying, dead, or used up by this open are dropped from the index', async (t) => {
  const { pods, take, calls } = startTaker([
    reserved('dying'),
    reserved('dead'),
    reserved('used'),
    reserved('ok'),
  ])
  pods.set(readyPod({ uid: 'dying', deletingSince: 1 }))
  pods.set(readyPod({ uid: 'dead', deadReason: 'exit code 1' }))
  for (const uid of ['used', 'ok']) pods.set(readyPod({ uid }))
  t.match(await take(['used']), { pod: { uid: 'ok' }, attempt: 4 })
  t.same(
    calls.filter((call) => call.startsWith('drop')),
    ['drop dying', 'drop dead', 'drop used'],
  )
})

void t.test('a pod of another type is never tried, whatever Redis proposes', async (t) => {
  const { pods, take, calls, refused } = startTaker([reserved('light'), reserved('gone'), reserved('ok')])
  pods.set(readyPod({ uid: 'light', agentType: 'stella-light' }))
  pods.set(readyPod({ uid: 'ok' }))
  const begun = performance.now()
  t.match(await take(), { pod: { uid: 'ok' }, attempt: 3 })
  t.same(
    calls,
    ['reserve 1', 'settle', 'drop light', 'reserve 2', 'settle', 'drop gone', 'reserve 3'],
    'its reservation goes too, so that its lapse brings nothing back',
  )
  t.same(await refused(), [
    ['other-type', 1],
    ['not-seen', 1],
  ])
  t.ok(performance.now() - begun >= 240, 'one that is not seen may be late')
})

void t.test('a replica that does not see gives slots back instead of emptying the index', async (t) => {
  const { pods, take, calls } = startTaker((attempt) => reserved(`unseen-${attempt}`))
  pods.setSynced(false)
  await t.rejects(take(), { code: 'GRN_POOL_EMPTY' })
  t.same(calls, ['reserve 1', 'give back', 'wake missed'])
})

void t.test('eight unusable slots in a row are enough', async (t) => {
  const { pods, take, calls } = startTaker((attempt) => reserved(`dying-${attempt}`))
  for (let n = 1; n < 20; n += 1) pods.set(readyPod({ uid: `dying-${n}`, deletingSince: 1 }))
  await t.rejects(take(), { code: 'GRN_POOL_EMPTY' })
  t.equal(calls.filter((call) => call.startsWith('drop')).length, 8)
})

void t.test('a later attempt elsewhere makes this one go on from there', async (t) => {
  const { pods, take } = startTaker((attempt) => (attempt < 3 ? { kind: 'stale' } : reserved('a')))
  pods.set(readyPod({ uid: 'a' }))
  t.match(await take(), { attempt: 3 })
})

void t.test(
  'without an index the informer gives candidates, none twice while in flight or spent',
  async (t) => {
    const { pods, take, candidates } = startTaker(() => ({ kind: 'unknown' }))
    for (const uid of ['a', 'b', 'c']) pods.set(readyPod({ uid }))
    pods.set(readyPod({ uid: 'claimed', stateLabel: 'claimed' }))
    pods.set(readyPod({ uid: 'warming', readySince: undefined }))
    const uids = [(await take()).pod.uid, (await take()).pod.uid, (await take()).pod.uid]
    t.same([...uids].sort(), ['a', 'b', 'c'])
    await t.rejects(take(), { code: 'GRN_POOL_EMPTY' })
    const [first = '', second = ''] = uids
    candidates.release(first, true)
    candidates.release(second, false)
    await t.rejects(take([second]), { code: 'GRN_POOL_EMPTY' }, 'tried by this open')
    t.equal((await take()).pod.uid, second, 'the spent one is none any more')
  },
)

void t.test('replicas prefer different candidates', async (t) => {
  const pods = createFakePodView()
  for (let n = 0; n < 200; n += 1) pods.set(readyPod({ uid: `pod-${n}` }))
  const firsts = ['api-1', 'api-2', 'api-3'].map((name) => {
    const candidates = createSlotCandidates(pods.view, name)
    return Array.from({ length: 10 }, () => candidates.take(agentType, new Set())?.uid)
  })
  t.ok(new Set(firsts.flat()).size >= 25, 'ten each, hardly any in common')
})

void t.test('waiting ends with the caller, without one more try', async (t) => {
  const { take, calls, waiters } = startTaker([])
  const gone = new AbortController()
  const taken = take([], 0, { wait: true, signal: gone.signal, waitUntil: performance.now() + 60_000 })
  while (waiters.waiting(agentType) === 0) await new Promise((resolve) => setImmediate(resolve))
  const tries = () => calls.filter((call) => call.startsWith('reserve')).length
  const before = tries()
  gone.abort()
  await t.rejects(taken, { code: 'GRN_POOL_EMPTY' })
  t.equal(tries(), before)
  t.equal(calls.at(-1), 'leave')
  t.equal(waiters.waiting(agentType), 0)
})

void t.test(
  'an open counts as an arrival at its first ask, and the controller hears once of a miss',
  async (t) => {
    const { take, calls } = startTaker([])
    const arrival = { isCounted: false, isMissed: false }
    await t.rejects(take([], 0, { arrival }), { code: 'GRN_POOL_EMPTY' })
    await t.rejects(take([], 0, { arrival }), { code: 'GRN_POOL_EMPTY' })
    t.same(calls, ['reserve 1', 'wake missed', 'reserve 1'])
    t.same(arrival, { isCounted: true, isMissed: true })
  },
)
