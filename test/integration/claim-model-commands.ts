import assert from 'node:assert/strict'
import fc from 'fast-check'
import { type Answer, applyStoreOp, type ModelState, type StoreOp } from './claim-model.ts'
import { applyIndexOp, applyPodOp, type IndexOp, type PodOp } from './claim-model-index.ts'
import {
  podNames,
  type RealSide,
  type Seen,
  seenInModel,
  sessionNames,
  type TimeOp,
} from './claim-model-stores.ts'

/** What may happen, as fast-check commands; each is made concrete by the state in which it happens. */

export interface ModelHolder {
  state: ModelState
}

/** Which epoch a caller names: the row's own, an older one, or one that is not there yet. */
type Known = 'current' | 'older' | 'newer'

interface Wish {
  readonly s: string
  readonly pod: string
  readonly pods: readonly string[]
  /** Rather the slot that the session has reserved. */
  readonly own: boolean
  readonly epoch: Known
  readonly attempt: number
  readonly by: string
  readonly flag: boolean
}

const wish = fc.record<Wish>({
  s: fc.constantFrom(...sessionNames),
  pod: fc.constantFrom(...podNames),
  pods: fc.uniqueArray(fc.constantFrom<string>(...podNames), { maxLength: 4 }),
  own: fc.boolean(),
  epoch: fc.constantFrom('current', 'current', 'current', 'older', 'newer'),
  attempt: fc.integer({ min: 1, max: 3 }),
  by: fc.constantFrom('api-1', 'api-2'),
  flag: fc.boolean(),
})

type StoreName = StoreOp['op']
const storeNames: readonly (readonly [weight: number, StoreName])[] = [
  [5, 'open'],
  [3, 'next'],
  [3, 'reopen'],
  [2, 'cold'],
  [1, 'adopt'],
  [1, 'release'],
  [4, 'activate'],
  [2, 'fail'],
  [2, 'undo'],
  [2, 'renew'],
  [3, 'end'],
  [5, 'finish'],
  [1, 'endOnPods'],
  [2, 'retire'],
  [2, 'reap'],
  [2, 'purge'],
]
const storeName = fc.oneof(
  ...storeNames.map(([weight, name]) => ({ weight, arbitrary: fc.constant<StoreName>(name) })),
)

function storeOpOf(state: ModelState, op: StoreName, wished: Wish): StoreOp {
  const { s, pods, by, flag } = wished
  const session = state.sessions.get(s)
  const offset = { older: -1, current: 0, newer: 1 }[wished.epoch]
  const epoch = Math.max(1, (session?.epoch ?? 1) + offset)
  const pod = (wished.own && state.held.get(s)?.pod) || wished.pod
  switch (op) {
    case 'open':
      return { op, s, pod, epoch: state.held.get(s)?.attempt ?? 1 }
    case 'next':
    case 'reopen':
      return { op, s, from: epoch, oldPod: session?.pod, pod, epoch: epoch + 1 }
    case 'cold':
      return { op, s, epoch: Math.max(1, (session?.epoch ?? 0) + 1 + offset), by, most: flag ? 1 : 10 }
    case 'activate':
    case 'fail':
      return { op, s, epoch }
    case 'undo':
      return { op, s, epoch, pod: session?.pod }
    case 'renew':
      return { op, s, epoch, byAgent: flag }
    case 'end':
      return { op, s, epoch: flag ? epoch : undefined }
    case 'adopt':
      return { op, by, s: flag ? s : undefined }
    case 'release':
      return { op, by }
    case 'finish':
      return { op, s }
    case 'endOnPods':
    case 'retire':
      return { op, pods }
    case 'reap':
    case 'purge':
      return { op }
  }
}

/** One thing after the other, or several at the same moment. */
export class Step implements fc.AsyncCommand<ModelHolder, RealSide> {
  readonly #play: (model: ModelHolder, real: RealSide) => Promise<unknown>
  #happened = 'nothing'

  constructor(play: (model: ModelHolder, real: RealSide) => Promise<unknown>) {
    this.#play = play
  }

  check(): boolean {
    return true
  }

  async run(model: ModelHolder, real: RealSide): Promise<void> {
    this.#happened = JSON.stringify(
      await this.#play(model, real).catch((error: unknown) => {
        this.#happened = String(error)
        throw error
      }),
    )
    const seen = await real.seen()
    assert.deepStrictEqual(seen, seenInModel(model.state), this.#happened)
    assertClaimsAndSessions(model.state, seen)
  }

  toString(): string {
    return this.#happened
  }
}

/** A live session ⇔ its claim; the model has them by name, and what was seen is the same. */
function assertClaimsAndSessions({ sessions, claims }: ModelState, seen: Seen): void {
  const named = [...sessions.values()].flatMap(({ pod }) => pod ?? [])
  assert.equal(new Set(named).size, named.length, 'two records name one pod')
  for (const [s, { status, pod, epoch }] of sessions) {
    if (status === 'ENDED' || pod === undefined) continue
    assert.equal(seen.claims[pod], `session by ${s} epoch ${epoch} undefined`, `${s} is live on ${pod}`)
  }
  for (const [pod, { purpose, session = '', epoch = 0, isHistory }] of claims) {
    const row = sessions.get(session)
    if (isHistory || purpose !== 'session' || !row || row.status === 'ENDED' || epoch < row.epoch) continue
    assert.equal(row.pod, pod, `${pod} is claimed by ${session}, which is elsewhere`)
  }
}

async function playStore(model: ModelHolder, real: RealSide, op: StoreOp): Promise<unknown> {
  const expected = applyStoreOp(model.state, op)
  assert.deepStrictEqual(await real.askStore(op), expected, JSON.stringify(op))
  return op
}

async function playIndex(model: ModelHolder, real: RealSide, op: IndexOp): Promise<unknown> {
  const expected = applyIndexOp(model.state, op)
  assert.deepStrictEqual(await real.askIndex(op), expected, JSON.stringify(op))
  return op
}

function playPod(model: ModelHolder, real: RealSide, op: PodOp): PodOp {
  applyPodOp(model.state, op)
  real.changePod(op)
  return op
}

async function playTime(model: ModelHolder, real: RealSide, op: TimeOp): Promise<TimeOp> {
  passTime(model.state, op)
  await real.passTime(op)
  return op
}

/** Given operations, for what must be played whatever chance brings. */
export const steps = {
  store: (...ops: StoreOp[]) => ops.map((op) => new Step((model, real) => playStore(model, real, op))),
  index: (...ops: IndexOp[]) => ops.map((op) => new Step((model, real) => playIndex(model, real, op))),
  time: (op: TimeOp) => [new Step((model, real) => playTime(model, real, op))],
  pod: (op: PodOp['op'], pod: string) => [new Step(async (model, real) => playPod(model, real, { op, pod }))],
}

/**
 * At the same moment, over two replicas: the answers and what is left must be those of some order. Answers of operations
 * that came to nothing are read a moment later and may tell of a state in between, so their sessions are not compared.
 */
async function playAtOnce(model: ModelHolder, real: RealSide, ops: readonly StoreOp[]): Promise<unknown> {
  const answers = await Promise.all(ops.map((op, n) => real.askStore(op, n)))
  const seen = await real.seen()
  for (const order of permutations(ops.map((_, n) => n))) {
    const state = structuredClone(model.state)
    const expected = new Map(order.map((n) => [n, applyStoreOp(state, ops[n] as StoreOp)]))
    const agrees = answers.every((answer, n) => essence(answer) === essence(expected.get(n)))
    if (agrees && isSame(seen, state)) {
      model.state = state
      return ops
    }
  }
  throw new Error(`in no order: ${JSON.stringify({ ops, answers, seen })}`)
}

function isSame(seen: Seen, state: ModelState): boolean {
  try {
    assert.deepStrictEqual(seen, seenInModel(state))
    return true
  } catch {
    return false
  }
}

function essence(answer: Answer): string {
  if (answer === undefined || typeof answer !== 'object' || !('kind' in answer))
    return JSON.stringify(answer) ?? ''
  const { kind, session } = answer
  return ['committed', 'active', 'failed'].includes(kind) ? JSON.stringify([kind, session]) : kind
}

function permutations(items: readonly number[]): number[][] {
  if (items.length === 0) return [[]]
  return items.flatMap((first) =>
    permutations(items.filter((item) => item !== first)).map((rest) => [first, ...rest]),
  )
}

const storeCommand = fc
  .tuple(storeName, wish)
  .map(
    ([name, wished]) =>
      new Step((model, real) => playStore(model, real, storeOpOf(model.state, name, wished))),
  )

/** `adopt` and `reap` pass over rows that are being changed, and `purge` over more than one at a time. */
const notAtOnce: readonly StoreName[] = ['adopt', 'release', 'reap', 'purge']

/**
 * Nobody knows of a failure, or of a next attempt, before it has happened. Two activations that are one and the same are
 * both told that it is ACTIVE.
 */
const knownStatus: Partial<Record<StoreName, readonly (string | undefined)[]>> = {
  next: ['PENDING'],
  undo: ['PENDING'],
  reopen: ['ENDED'],
  cold: ['ENDED', undefined],
}

function opsAtOnce(state: ModelState, wishes: readonly (readonly [StoreName, Wish])[]): readonly StoreOp[] {
  const ops = wishes.map(([name, wished]) => {
    const status = state.sessions.get(wished.s)?.status
    const isKnown = !(name in knownStatus) || knownStatus[name]?.includes(status)
    // The number that may wait is no promise to opens at the same moment.
    // A statement that reads two pods of one session while it goes from one to the other finds it on neither.
    const pods = name === 'endOnPods' ? [wished.pod] : wished.pods
    return storeOpOf(state, isKnown ? name : 'open', {
      ...wished,
      pods,
      flag: wished.flag && name !== 'cold',
    })
  })
  return [...new Map(ops.map((op) => [JSON.stringify(op), op])).values()]
}

const atOnce = fc
  .array(
    fc.tuple(
      storeName.filter((name) => !notAtOnce.includes(name)),
      wish,
    ),
    { minLength: 2, maxLength: 4 },
  )
  .map((wishes) => new Step((model, real) => playAtOnce(model, real, opsAtOnce(model.state, wishes))))

function indexOpOf(
  state: ModelState,
  op: IndexOp['op'],
  { s, pod, pods, own, attempt, flag }: Wish,
): IndexOp {
  const held = (own && state.held.get(s)?.pod) || pod
  switch (op) {
    case 'reserve':
      return { op, s, attempt }
    case 'settle':
    case 'giveBack':
      return { op, s, pod: held }
    case 'wait':
      return { op, s, isUrgent: flag }
    case 'lapseReservation':
    case 'leave':
    case 'goSilent':
      return { op, s }
    case 'add':
    case 'drop':
      return { op, pods }
    case 'rebuild':
      // As the controller does it, or with whatever an old view shows.
      return {
        op,
        pods: flag ? pods : [...state.slots].filter(([, slot]) => slot === 'ready').map(([uid]) => uid),
      }
    case 'wipe':
      return { op }
  }
}

const indexNames: readonly (readonly [number, IndexOp['op']])[] = [
  [8, 'reserve'],
  [2, 'settle'],
  [2, 'giveBack'],
  [2, 'lapseReservation'],
  [2, 'wait'],
  [1, 'leave'],
  [1, 'goSilent'],
  [1, 'add'],
  [1, 'drop'],
  [4, 'rebuild'],
  [1, 'wipe'],
]
const indexCommand = fc
  .tuple(fc.oneof(...indexNames.map(([weight, name]) => ({ weight, arbitrary: fc.constant(name) }))), wish)
  .map(
    ([name, wished]) =>
      new Step((model, real) => playIndex(model, real, indexOpOf(model.state, name, wished))),
  )

const podOp = fc.record<PodOp>({
  op: fc.constantFrom('podReady', 'podReady', 'podUnready', 'podUnready', 'podDies', 'podDeleted', 'podGone'),
  pod: fc.constantFrom(...podNames),
})
const podCommand = podOp.map((op) => new Step(async (model, real) => playPod(model, real, op)))

const timeOp: fc.Arbitrary<TimeOp> = fc.oneof(
  fc.record({
    op: fc.constantFrom('leasePasses' as const, 'lifePasses' as const),
    s: fc.constantFrom(...sessionNames),
  }),
  fc.record({ op: fc.constant('holderFallsSilent' as const), by: fc.constantFrom('api-1', 'api-2') }),
)
const timeCommand = timeOp.map((op) => new Step((model, real) => playTime(model, real, op)))

function passTime({ sessions }: ModelState, op: TimeOp): void {
  for (const [s, session] of sessions) {
    const isPending = session.status === 'PENDING'
    if (op.op === 'holderFallsSilent') {
      if (isPending && session.heldBy === op.by) session.isOrphan = true
    } else if (op.s === s && (isPending || session.status === 'ACTIVE')) {
      session.lapsed = true
      if (op.op === 'lifePasses') session.isOverlong = true
    }
  }
}

export const claimCommand: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: storeCommand },
  { weight: 6, arbitrary: indexCommand },
  { weight: 2, arbitrary: atOnce },
  { weight: 3, arbitrary: podCommand },
  { weight: 2, arbitrary: timeCommand },
)
