import type { Amounts } from './pod-resources.ts'

/**
 * `yieldTo: pending`: idle pods beyond `min` make room for pods of others that no node has room for.
 *
 * 1. A pod of others is unschedulable, and the idle pods could make room for it: each 2 s a step of them is given up, until
 *    together they take as much as the pods that wait.
 * 2. No such pod is left: what was given up stays away for 30 s more, so that a neighbour that comes next finds it.
 * 3. Then the pool has what it wants again.
 *
 * A pod that still waits a minute after its room was made waits for something else (a node of another kind, for example).
 * It counts no more for ten minutes.
 */

/** A pod of others that no node has room for. */
export interface PendingPod {
  readonly uid: string
  readonly name: string
  readonly requests: Amounts
}

/** A pool that yields. */
export interface YieldingPool {
  readonly agentType: string
  /** What one idle pod takes of its node. */
  readonly requests: Amounts
  /** Idle pods that it wants beyond `min`. */
  readonly spare: number
}

export interface YieldState {
  /** Pods that each pool gives up. */
  readonly given: Readonly<Record<string, number>>
  /** Epoch ms, as all times here. */
  readonly lastStepAt: number
  /** Since when nobody waits. */
  readonly calmSince: number | undefined
  /** Pods that wait, and what they ask for; those that were bound meanwhile sit in the room that was made. */
  readonly asked: Readonly<Record<string, Asked>>
}

interface Asked {
  readonly requests: Amounts
  /** Since when there is as much room as they need. */
  readonly metSince: number | undefined
  /** Not counted until then. */
  readonly ignoredUntil?: number
}

export const noYield: YieldState = { given: {}, lastStepAt: 0, calmSince: undefined, asked: {} }

/** A scheduler tries an unschedulable pod again within a second or two of a deletion. */
const stepMs = 2_000
/** Share of the spare pods that go in one step; one pod at least. */
const stepShare = 0.1
/** A pod's grace period is 30 s: a neighbour that is made anew comes within it. */
const holdMs = 30_000
const patienceMs = 60_000
const ignoreMs = 600_000

interface YieldInput {
  readonly pending: readonly PendingPod[]
  readonly pools: readonly YieldingPool[]
  readonly now: number
}

/** Pure. The state is as large as the number of pods that wait, less those that came and went before. */
export function nextYield(state: YieldState, { pending, pools, now }: YieldInput): YieldState {
  const asked = nextAsked(state, { pending, pools, now })
  const waiting = Object.keys(asked).some((uid) => isWaiting(uid, asked[uid], pending, now))
  const given = cappedBy(pools, state.given)
  if (!waiting) {
    const calmSince = state.calmSince ?? now
    if (now - calmSince >= holdMs)
      return { ...noYield, asked: onlyIgnored(asked, now), lastStepAt: state.lastStepAt }
    return { ...state, given, asked, calmSince }
  }
  const next = { given, asked, calmSince: undefined, lastStepAt: state.lastStepAt }
  const missing = missingRoom(next, pools, now)
  const giver = giverOf(pools, given, missing)
  if (!giver) return { ...next, asked: met(asked, now) }
  if (now - state.lastStepAt < stepMs) return next
  const { agentType, spare } = giver.pool
  const step = Math.max(1, Math.floor(spare * stepShare))
  const count = Math.min(step, giver.needed, spare - (given[agentType] ?? 0))
  return { ...next, lastStepAt: now, given: { ...given, [agentType]: (given[agentType] ?? 0) + count } }
}

/** How many of its idle pods this pool gives up now. */
export function yieldedBy({ given }: YieldState, agentType: string): number {
  return given[agentType] ?? 0
}

function isWaiting(
  uid: string,
  one: Asked | undefined,
  pending: readonly PendingPod[],
  now: number,
): boolean {
  return one !== undefined && !isIgnored(one, now) && pending.some((pod) => pod.uid === uid)
}

function isIgnored({ ignoredUntil }: Asked, now: number): boolean {
  return ignoredUntil !== undefined && now < ignoredUntil
}

/** New pods are added, if a pool has what they ask for. A pod that is no longer pending stays until all is calm. */
function nextAsked({ asked }: YieldState, { pending, pools, now }: YieldInput): Record<string, Asked> {
  const next: Record<string, Asked> = {}
  for (const [uid, one] of Object.entries(asked)) {
    const isPending = pending.some((pod) => pod.uid === uid)
    if (!isPending && one.ignoredUntil !== undefined) continue
    const isOver = one.ignoredUntil !== undefined && now >= one.ignoredUntil
    next[uid] = isOver ? { requests: one.requests, metSince: undefined } : one
  }
  for (const { uid, requests } of pending) {
    if (!next[uid] && pools.some((pool) => couldHelp(pool, requests)))
      next[uid] = { requests, metSince: undefined }
  }
  return next
}

/** A pool without GPUs makes no room for a pod that wants one. */
function couldHelp({ requests: own }: YieldingPool, requests: Amounts): boolean {
  return Object.entries(requests).every(([name, amount]) => amount === 0n || (own[name] ?? 0n) > 0n)
}

function cappedBy(pools: readonly YieldingPool[], given: YieldState['given']): Record<string, number> {
  return Object.fromEntries(
    pools.flatMap(({ agentType, spare }) => {
      const count = Math.min(given[agentType] ?? 0, spare)
      return count > 0 ? [[agentType, count]] : []
    }),
  )
}

function missingRoom(
  { given, asked }: Pick<YieldState, 'given' | 'asked'>,
  pools: readonly YieldingPool[],
  now: number,
): Amounts {
  const missing: Record<string, bigint> = {}
  for (const one of Object.values(asked)) {
    if (isIgnored(one, now)) continue
    for (const [name, amount] of Object.entries(one.requests)) missing[name] = (missing[name] ?? 0n) + amount
  }
  for (const { agentType, requests } of pools) {
    for (const [name, amount] of Object.entries(requests))
      if (missing[name] !== undefined) missing[name] -= amount * BigInt(given[agentType] ?? 0)
  }
  return missing
}

/** The pool that has most to spare, with the pods that it would take to cover what is missing; undefined if nothing is. */
function giverOf(pools: readonly YieldingPool[], given: YieldState['given'], missing: Amounts) {
  const [pool] = pools
    .filter(({ agentType, spare }) => spare > (given[agentType] ?? 0))
    .sort((a, b) => b.spare - (given[b.agentType] ?? 0) - (a.spare - (given[a.agentType] ?? 0)))
  if (!pool) return undefined
  const needed = Math.max(
    0,
    ...Object.entries(missing).map(([name, amount]) => {
      const each = pool.requests[name] ?? 0n
      return amount <= 0n || each === 0n ? 0 : Number((amount + each - 1n) / each)
    }),
  )
  return needed > 0 ? { pool, needed } : undefined
}

/** There is as much room as they need, or as can be made. */
function met(asked: YieldState['asked'], now: number): Record<string, Asked> {
  return Object.fromEntries(
    Object.entries(asked).map(([uid, one]) => {
      if (isIgnored(one, now)) return [uid, one]
      const metSince = one.metSince ?? now
      return [
        uid,
        now - metSince >= patienceMs ? { ...one, ignoredUntil: now + ignoreMs } : { ...one, metSince },
      ]
    }),
  )
}

function onlyIgnored(asked: YieldState['asked'], now: number): Record<string, Asked> {
  return Object.fromEntries(Object.entries(asked).filter(([, one]) => isIgnored(one, now)))
}
