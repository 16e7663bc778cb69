import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { ModelState } from './claim-model.ts'
import { applyIndexOp, applyPodOp, type IndexOp, type PodOp } from './claim-model-index.ts'
import { type RealSide, type Seen, seenInModel, type TimeOp } from './claim-model-real-side.ts'
import { applyStoreOp } from './claim-model-store.ts'
import type { Answer, StoreOp } from './claim-model-store-ops.ts'
import {
  indexName,
  indexOpOf,
  notAtOnce,
  opsAtOnce,
  podOp,
  storeName,
  storeOpOf,
  timeOp,
  wish,
} from './claim-model-wishes.ts'

/** What may happen, as fast-check commands; each is made concrete by the state in which it happens. */

export interface ModelHolder {
  state: ModelState
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
function assertClaimsAndSessions({ sessions, claims, noted }: ModelState, seen: Seen): void {
  const named = [...sessions.values()].flatMap(({ pod }) => pod ?? [])
  assert.equal(new Set(named).size, named.length, 'two records name one pod')
  for (const [s, { status, pod, epoch }] of sessions) {
    if (status === 'ENDED' || pod === undefined) continue
    assert.equal(seen.claims[pod], `session by ${s} epoch ${epoch} undefined`, `${s} is live on ${pod}`)
  }
  for (const [pod, { purpose, session, epoch = 0 }] of claims) {
    if (session === undefined) continue
    assert.ok(noted.has(pod), `${pod} is claimed, and the controller did not make it`)
    const row = sessions.get(session)
    assert.ok(row && epoch <= row.epoch, `the record of ${session} knows of ${pod} in epoch ${epoch}`)
    if (purpose !== 'session' || row.status === 'ENDED' || epoch < row.epoch) continue
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
  if (['committed', 'active', 'failed'].includes(kind)) return JSON.stringify([kind, session])
  // Why a pod was refused is read afterwards as well: one that was noted meanwhile seems to be taken.
  return kind === 'pod-not-noted' ? 'pod-taken' : kind
}

function permutations(items: readonly number[]): number[][] {
  if (items.length === 0) return [[]]
  return items.flatMap((first) =>
    permutations(items.filter((item) => item !== first)).map((rest) => [first, ...rest]),
  )
}

function passTime({ sessions }: ModelState, op: TimeOp): void {
  for (const [s, session] of sessions) {
    const isPending = session.status === 'PENDING'
    if (op.op === 'holderFallsSilent') {
      if (isPending && session.heldBy === op.by) session.isOrphan = true
    } else if (op.s === s && (isPending || session.status === 'ACTIVE')) {
      session.lapsed = true
      session.isFresh = false
      if (op.op === 'lifePasses') session.isOverlong = true
    }
  }
}

const storeCommand = fc
  .tuple(storeName, wish)
  .map(
    ([name, wished]) =>
      new Step((model, real) => playStore(model, real, storeOpOf(model.state, name, wished))),
  )

const atOnce = fc
  .array(
    fc.tuple(
      storeName.filter((name) => !notAtOnce.includes(name)),
      wish,
    ),
    { minLength: 2, maxLength: 4 },
  )
  .map((wishes) => new Step((model, real) => playAtOnce(model, real, opsAtOnce(model.state, wishes))))

const indexCommand = fc
  .tuple(indexName, wish)
  .map(
    ([name, wished]) =>
      new Step((model, real) => playIndex(model, real, indexOpOf(model.state, name, wished))),
  )

const podCommand = podOp.map((op) => new Step(async (model, real) => playPod(model, real, op)))

const timeCommand = timeOp.map((op) => new Step((model, real) => playTime(model, real, op)))

export const claimCommand: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: storeCommand },
  { weight: 6, arbitrary: indexCommand },
  { weight: 2, arbitrary: atOnce },
  { weight: 3, arbitrary: podCommand },
  { weight: 2, arbitrary: timeCommand },
)
