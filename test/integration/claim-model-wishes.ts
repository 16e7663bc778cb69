import fc from 'fast-check'
import type { LeaseHolder } from '../../src/domain/lease-holder.ts'
import type { ModelState, Opener } from './claim-model.ts'
import type { IndexOp, PodOp } from './claim-model-index.ts'
import { podNames, sessionNames, type TimeOp } from './claim-model-real-side.ts'
import type { StoreOp } from './claim-model-store-ops.ts'

/** What may be wished for by chance, and the operation that a wish comes to in the state in which it is played. */

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
  readonly lease: LeaseHolder
  readonly opener: Opener | undefined
  /** Acts as the open that the row names. */
  readonly isOpener: boolean
}

export const wish = fc.record<Wish>({
  s: fc.constantFrom(...sessionNames),
  pod: fc.constantFrom(...podNames),
  pods: fc.uniqueArray(fc.constantFrom<string>(...podNames), { maxLength: 4 }),
  own: fc.boolean(),
  epoch: fc.constantFrom('current', 'current', 'current', 'older', 'newer'),
  attempt: fc.integer({ min: 1, max: 3 }),
  by: fc.constantFrom('api-1', 'api-2'),
  flag: fc.boolean(),
  lease: fc.constantFrom('caller', 'agent', 'both'),
  opener: fc.constantFrom(undefined, 'x', 'y'),
  isOpener: fc.boolean(),
})

function weighted<Name>(names: readonly (readonly [weight: number, name: Name])[]): fc.Arbitrary<Name> {
  return fc.oneof(...names.map(([weight, name]) => ({ weight, arbitrary: fc.constant(name) })))
}

type StoreName = StoreOp['op']
const storeNames: readonly (readonly [weight: number, name: StoreName])[] = [
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
  [1, 'note'],
  [2, 'reap'],
  [2, 'purge'],
]
export const storeName = weighted(storeNames)

export function storeOpOf(state: ModelState, op: StoreName, wished: Wish): StoreOp {
  const { s, pods, by, flag, lease, opener } = wished
  const session = state.sessions.get(s)
  const offset = { older: -1, current: 0, newer: 1 }[wished.epoch]
  const epoch = Math.max(1, (session?.epoch ?? 1) + offset)
  const pod = (wished.own && state.held.get(s)?.pod) || wished.pod
  const as = wished.isOpener ? session?.opener : opener
  switch (op) {
    case 'open':
      return { op, s, pod, epoch: state.held.get(s)?.attempt ?? 1, lease, opener }
    case 'next':
      return { op, s, from: epoch, oldPod: session?.pod, pod, epoch: epoch + 1, as, opener }
    case 'reopen':
      return { op, s, from: epoch, oldPod: session?.pod, pod, epoch: epoch + 1, lease, opener }
    case 'cold':
      return { op, s, epoch: Math.max(1, (session?.epoch ?? 0) + 1 + offset), by, most: flag ? 1 : 10, lease }
    case 'activate':
      return { op, s, epoch }
    case 'fail':
      return { op, s, epoch, as }
    case 'undo':
      return { op, s, epoch, pod: session?.pod, as }
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
    case 'note':
      return { op, pods }
    case 'reap':
    case 'purge':
      return { op }
  }
}

export function indexOpOf(
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

const indexNames: readonly (readonly [weight: number, name: IndexOp['op']])[] = [
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
export const indexName = weighted(indexNames)

export const podOp = fc.record<PodOp>({
  op: fc.constantFrom('podReady', 'podReady', 'podUnready', 'podUnready', 'podDies', 'podDeleted', 'podGone'),
  pod: fc.constantFrom(...podNames),
})

export const timeOp: fc.Arbitrary<TimeOp> = fc.oneof(
  fc.record({
    op: fc.constantFrom('leasePasses' as const, 'lifePasses' as const),
    s: fc.constantFrom(...sessionNames),
  }),
  fc.record({ op: fc.constant('holderFallsSilent' as const), by: fc.constantFrom('api-1', 'api-2') }),
)

/** `adopt` and `reap` pass over rows that are being changed, and `purge` over more than one at a time. */
export const notAtOnce: readonly StoreName[] = ['adopt', 'release', 'reap', 'purge']

/**
 * An open goes on only from an attempt that exists: it is told that its pod was taken after another has taken it. It gives
 * up only an attempt whose commit was answered: a statement that waits for that commit does not see its claim.
 */
const namesItsAttempt: readonly StoreName[] = ['next', 'reopen', 'undo', 'fail']

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

export function opsAtOnce(
  state: ModelState,
  wishes: readonly (readonly [StoreName, Wish])[],
): readonly StoreOp[] {
  const ops = wishes.map(([name, wished]) => {
    const status = state.sessions.get(wished.s)?.status
    const isKnown = !(name in knownStatus) || knownStatus[name]?.includes(status)
    // A statement that reads two pods of one session while it goes from one to the other finds it on neither.
    const pods = name === 'endOnPods' ? [wished.pod] : wished.pods
    const isTooEarly = wished.epoch === 'newer' && namesItsAttempt.includes(name)
    return storeOpOf(state, isKnown ? name : 'open', {
      ...wished,
      epoch: isTooEarly ? 'current' : wished.epoch,
      pods,
      // The number that may wait is no promise to opens at the same moment.
      flag: wished.flag && name !== 'cold',
    })
  })
  return [...new Map(ops.map((op) => [JSON.stringify(op), op])).values()]
}
