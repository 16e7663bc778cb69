import { isStuckCause } from './pod-trouble.ts'
import { oldestFirst, type SlotView } from './pool-observation.ts'

/**
 * The pure answer to "desired, observed, limits, time → what to do" for one pool. Every number that the controller acts
 * on comes from here.
 */

export interface DesiredPool {
  /** Idle pods to keep: ready, warming and creates in flight. Claimed pods do not count. */
  readonly min: number
  /** Sessions that wait for a pod of their own. The pool keeps as many idle pods more. */
  readonly cold: number
  /** Ceiling of all pods of the pool. Terminating pods count until they are gone, so the nodes never hold more. */
  readonly max: number
  /** Most pods that may be warming at once, creates in flight included. */
  readonly inFlight: number
  readonly frozen: boolean
  /** Most idle pods that a roll-out replaces at a time; 0 replaces none. A tenth of `min`, at least one, unless given. */
  readonly rollStep?: number | undefined
}

/** Starts that failed since the last success. A new template starts at zero, because it may be the cure. */
export interface StartFailures {
  /** Each one halves the starts at a time. */
  readonly count: number
  /** Epoch ms of the latest. */
  readonly lastAt: number
  /** How long to wait after the latest, ms; by the count unless given. */
  readonly backoffMs?: number
}

export interface PlanInput {
  readonly desired: DesiredPool
  readonly slots: readonly SlotView[]
  /** Creates that the informer does not show yet. */
  readonly pendingCreates: number
  /** UIDs retired or deleted by us that the informer still shows as they were. */
  readonly pendingRemovals: ReadonlySet<string>
  readonly failures: StartFailures
  /** Failed pods that are kept for a look. They count below max, and nothing waits for them to go. */
  readonly kept?: ReadonlySet<string>
  /** How many pods `refill.perSecond` allows now, and when one more. */
  readonly allowance?: { readonly pods: number; readonly nextMs: number } | undefined
  /** True until a pod of the template in force has been Ready. */
  readonly unproven?: boolean
  /** Pods that the ResourceQuotas let the pool create now; absent without a quota. */
  readonly quotaPlaces?: number
  readonly now: number
}

type PlanBound = 'max' | 'quota' | 'in-flight' | 'refill-rate' | 'backoff' | 'frozen'

export interface PoolPlan {
  readonly create: number
  /** Unclaimed pods to retire and then delete, in this order. */
  readonly retire: readonly string[]
  /** When to plan again although nothing changed; every other cause of a plan is an event. */
  readonly requeueAfterMs: number | undefined
  /** What keeps the pool from its goal at present. */
  readonly boundBy: PlanBound | undefined
}

/** The next try often cures a failed start (a full node, a registry that was away for a moment), so try again soon. */
const firstBackoffMs = 1_000
/** The kubelet's own ceiling for crash loops: a create that is refused for its pod is tried 12 times an hour. */
const maxBackoffMs = 5 * 60_000
/** Of pods that do not start: what ails them is often cured outside, and a cure is to be seen within 30 s. */
const maxStartBackoffMs = 25_000
/**
 * Until the first pod of a template is Ready, one pod tries it: a wrong image or command costs one pod, not a pool. A pod
 * that is slow without saying why may have met a bad node, so after this time another tries beside it, up to three.
 */
const patienceMs = 30_000
const mostFirstStarts = 3
/** By then the kubelet has tried a second time, so the cause was no blip, and one probing pod is enough. */
const stuckForMs = 15_000
/** Share of the idle pods that a roll-out replaces at once, unless the pool says otherwise; one pod at least. */
const rollShare = 0.1
/** A pod that remains this long after its grace period hangs, on a lost node for example. It no longer delays a roll-out. */
const hungAfterMs = 15_000

/**
 * Decides creates and retirements. Deterministic; the order of `slots` does not matter. Claimed, draining and pending
 * pods are never retired, and all that exists and is created fits below `max`.
 */
export function planPool(input: PlanInput): PoolPlan {
  const pool = sortSlots(input)
  const dead = pool.dead.map(({ podUid }) => podUid)
  if (input.desired.frozen) {
    return { create: 0, retire: dead, requeueAfterMs: undefined, boundBy: 'frozen' }
  }
  const stuck = needlessProbes(pool, input)
  const surplus = surplusOf(without(pool, stuck), input.desired)
  const rolled = rolledOf(without(without(pool, stuck), surplus), input.desired)
  const gone = [...stuck, ...surplus, ...rolled]
  return { ...refill(without(pool, gone), input), retire: [...dead, ...gone.map(({ podUid }) => podUid)] }
}

/** How long to wait after the last of `count` pods that did not start, ms. */
export function failedStartBackoffMs(count: number): number {
  return Math.min(maxStartBackoffMs, startBackoffMs(count))
}

/** How long to wait after the last of `count` refused creates, ms. */
export function startBackoffMs(count: number): number {
  return count <= 0 ? 0 : Math.min(maxBackoffMs, firstBackoffMs * 2 ** Math.min(count - 1, 30))
}

/** The slots by what may be done with them. Each list is oldest first. */
interface SortedPool {
  readonly ready: readonly SlotView[]
  readonly warming: readonly SlotView[]
  /** Unclaimed pods that will never serve. */
  readonly dead: readonly SlotView[]
  readonly claimed: number
  /** Retired pods on their way out, without those that hang. */
  readonly leaving: number
  /** Everything that exists or is being created. */
  readonly total: number
  readonly pendingCreates: number
}

function sortSlots({ slots, pendingCreates, pendingRemovals, kept, now }: PlanInput): SortedPool {
  const staying = slots.filter(({ podUid }) => !pendingRemovals.has(podUid)).sort(oldestFirst)
  const idle = staying.filter(({ claim }) => claim === undefined)
  const leaving = slots.filter(
    ({ podUid, claim, deletingSince }) =>
      !kept?.has(podUid) &&
      (claim?.purpose === 'retired' || pendingRemovals.has(podUid)) &&
      // The API's deletion time already lies at the end of the grace period.
      (deletingSince === undefined || now < deletingSince + hungAfterMs),
  )
  return {
    ready: idle.filter(({ state }) => state === 'ready'),
    warming: idle.filter(({ state }) => state === 'warming'),
    dead: idle.filter(({ state }) => state === 'failed'),
    claimed: staying.filter(({ state }) => state === 'claimed').length,
    leaving: leaving.length,
    total: slots.length + pendingCreates,
    pendingCreates,
  }
}

/** The pool without the slots `gone`, which are to be retired. They free idle places but still count below max. */
function without(pool: SortedPool, gone: readonly SlotView[]): SortedPool {
  const uids = new Set(gone.map(({ podUid }) => podUid))
  const stays = ({ podUid }: SlotView): boolean => !uids.has(podUid)
  return {
    ...pool,
    ready: pool.ready.filter(stays),
    warming: pool.warming.filter(stays),
    leaving: pool.leaving + uids.size,
  }
}

function idleCount(pool: SortedPool): number {
  return pool.ready.length + pool.warming.length + pool.pendingCreates
}

/** How many idle pods a roll-out may have beyond `min`: fresh pods warm up before drifted ones go. */
function surge(pool: SortedPool, desired: DesiredPool): number {
  return Math.min(rollStepIn(desired), [...pool.ready, ...pool.warming].filter(isDrifted).length)
}

function rollStepIn({ min, rollStep }: DesiredPool): number {
  return rollStep ?? Math.max(1, Math.floor(min * rollShare))
}

/** How many idle pods fit below `max` beside the claimed ones. */
function ceiling(pool: SortedPool, { max }: DesiredPool): number {
  return Math.max(0, max - pool.claimed)
}

/**
 * Idle pods beyond the goal. Pods that are not ready go first, because they serve nobody yet: by age alone, a pool that
 * is lowered while it warms up would lose every ready pod. Ready pods go next as long as `min` of them remain, drifted
 * before fresh and oldest before youngest.
 *
 * Pending creates do not count here. The informer may show such a pod before the API's answer names it, and a pod that
 * is counted twice may at worst delay a create; it must never cost a good pod.
 */
function surplusOf(pool: SortedPool, desired: DesiredPool): SlotView[] {
  const most = ceiling(pool, desired)
  const goal = Math.min(desired.min + desired.cold + surge(pool, desired), most)
  const excess = Math.max(0, pool.ready.length + pool.warming.length - goal)
  const floor = Math.min(desired.min, most)
  const spareReady = driftedFirst(pool.ready).slice(0, Math.max(0, pool.ready.length - floor))
  const spareDrifted = spareReady.filter(isDrifted)
  const spareFresh = spareReady.filter((slot) => !isDrifted(slot))
  const [driftedWarming, freshWarming] = [
    pool.warming.filter(isDrifted),
    pool.warming.filter((slot) => !isDrifted(slot)),
  ]
  return [...driftedWarming, ...spareDrifted, ...freshWarming, ...spareFresh].slice(0, excess)
}

/**
 * Drifted pods that may go now. At most one step of them leaves at a time. A pod that is not ready yet goes at once,
 * because a broken template must not fill the in-flight places of the template that mends it. A ready pod goes only
 * while more than `min` are ready, that is, when a fresh pod has replaced it. So a pool whose `max` leaves no room above
 * `min` is rolled only by its sessions, and says `max`.
 */
function rolledOf(pool: SortedPool, desired: DesiredPool): SlotView[] {
  const step = Math.max(0, rollStepIn(desired) - pool.leaving)
  const spare = Math.max(0, pool.ready.length - desired.min)
  const ready = pool.ready.filter(isDrifted).slice(0, spare)
  return [...pool.warming.filter(isDrifted), ...ready].slice(0, step)
}

/** How many pods to create, and which limit binds when that is fewer than are missing. */
function refill(pool: SortedPool, input: PlanInput): Omit<PoolPlan, 'retire'> {
  const { desired, failures, allowance, now } = input
  const missing = desired.min + desired.cold + surge(pool, desired) - idleCount(pool)
  if (missing <= 0) return { create: 0, requeueAfterMs: undefined, boundBy: undefined }
  const { count, lastAt, backoffMs = failedStartBackoffMs(count) } = failures
  const waitMs = count > 0 ? lastAt + backoffMs - now : 0
  if (waitMs > 0) return { create: 0, requeueAfterMs: waitMs, boundBy: 'backoff' }

  const starting = pool.warming.length + pool.pendingCreates
  const first: FirstStarts = input.unproven
    ? firstStarts(pool, now)
    : { places: Number.POSITIVE_INFINITY, nextMs: undefined }
  const limits = [
    { bound: 'max', places: desired.max - pool.total },
    { bound: 'quota', places: input.quotaPlaces ?? Number.POSITIVE_INFINITY },
    { bound: 'in-flight', places: desired.inFlight - starting },
    { bound: 'in-flight', places: first.places },
    { bound: 'backoff', places: probes(desired.inFlight, count) - starting },
    { bound: 'backoff', places: blockedBy(pool, input).length > 0 ? 0 : Number.POSITIVE_INFINITY },
    { bound: 'refill-rate', places: Math.floor(allowance?.pods ?? Number.POSITIVE_INFINITY) },
  ] as const
  const tightest = limits.reduce((a, b) => (b.places < a.places ? b : a))
  const create = Math.max(0, Math.min(missing, tightest.places))
  const boundBy = create < missing ? tightest.bound : undefined
  const nextMs: Partial<Record<PlanBound, number | undefined>> = {
    'refill-rate': allowance?.nextMs,
    'in-flight': first.nextMs,
  }
  return { create, requeueAfterMs: boundBy && nextMs[boundBy], boundBy }
}

interface FirstStarts {
  readonly places: number
  readonly nextMs: number | undefined
}

/** How many pods more may try a template that no pod has proved yet, and when one more. */
function firstStarts({ warming, pendingCreates }: SortedPool, now: number): FirstStarts {
  const trying = warming.filter((slot) => !isDrifted(slot))
  const quiet = trying.filter(({ trouble }) => trouble === undefined || trouble.cause === 'unschedulable')
  const next = quiet.find(({ createdAt }) => now - createdAt < patienceMs)
  const slow = quiet.filter(({ createdAt }) => now - createdAt >= patienceMs).length
  const most = Math.min(mostFirstStarts, 1 + slow)
  return {
    places: most - trying.length - pendingCreates,
    nextMs: next && most < mostFirstStarts ? next.createdAt + patienceMs - now : undefined,
  }
}

/** How many starts at a time after failures. Each failure halves it: one bad node slows little, a bad image costs one pod. */
function probes(inFlight: number, failures: number): number {
  return Math.max(1, Math.floor(inFlight / 2 ** Math.min(failures, 30)))
}

/**
 * Pods that cannot get their image or their configuration, oldest first: another pod would fail like them. None, if a pod
 * became Ready after the last of them was made; then a node is to blame.
 */
function blockedBy({ warming }: SortedPool, { slots }: PlanInput): readonly SlotView[] {
  const stuck = warming.filter(({ trouble, drifted }) => !drifted && isStuckCause(trouble?.cause))
  const lastStuckAt = Math.max(...stuck.map(({ createdAt }) => createdAt))
  return slots.some(({ readySince = 0 }) => readySince > lastStuckAt) ? [] : stuck
}

/** All of them but the last, which its kubelet tries again soonest. */
function needlessProbes(pool: SortedPool, input: PlanInput): SlotView[] {
  return blockedBy(pool, input)
    .slice(0, -1)
    .filter(({ createdAt }) => input.now - createdAt >= stuckForMs)
}

function isDrifted({ drifted }: SlotView): boolean {
  return drifted
}

function driftedFirst(slots: readonly SlotView[]): SlotView[] {
  return [...slots].sort((a, b) => Number(b.drifted) - Number(a.drifted) || oldestFirst(a, b))
}
