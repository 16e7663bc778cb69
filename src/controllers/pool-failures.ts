import { canonicalJson } from '../domain/canonical-json.ts'
import { withoutNames, withoutSecrets } from '../domain/plain-message.ts'
import { isStuckCause, type TroubleCause } from '../domain/pod-trouble.ts'
import type { PodWriteError, PodWriteReason } from '../domain/pod-write-error.ts'
import type { PoolSpec } from '../domain/pool.ts'
import type { ObservedPool, SlotView } from '../domain/pool-observation.ts'
import {
  failedStartBackoffMs,
  type PoolPlan,
  type StartFailures,
  startBackoffMs,
} from '../domain/pool-plan.ts'
import { isOwnPod, originFault } from '../domain/pool-pod.ts'
import { type PoolProblem, type PoolProblemCause, poolProblem } from '../domain/pool-problem.ts'
import type { SharedOutage } from './shared-outage.ts'

/**
 * Why one pool does not get its pods, and how long it waits for the next try. Four kinds of failure:
 *
 * - A create is refused because of something outside the pod. The wait is a few seconds at most, and `ease` ends it when
 *   something happened that may help.
 * - A create is refused because of the pod. Trying again seldom helps, so the wait grows to five minutes; a changed document
 *   ends it.
 * - A pod does not start. The cure is often outside (a registry, a Secret), so the wait grows to 25 s; one pod tries at a time.
 * - A trial (a dry run) of a pool that lacks nothing is refused: that is only told.
 */
interface PoolFailuresOptions {
  readonly agentType: string
  readonly outage: SharedOutage
  readonly now: () => number
}

/** One cause without a break. Times are epoch ms. */
interface Spell {
  readonly cause: PoolProblemCause
  readonly message: string
  readonly count: number
  readonly since: number
  readonly lastAt: number
}

/** The refused creates since the last one that passed. */
interface Refusals {
  readonly cause: PodWriteReason
  /** As the plan counts them: each one halves the starts at a time. */
  readonly halvings: number
  readonly lastAt: number
  readonly backoffMs: number
  /** Since `ease`: the waits begin at one second again. */
  readonly tries: number
}

const none: StartFailures = { count: 0, lastAt: 0 }

/** A pod that was Ready this long after the last failure shows that pods start again. */
const healthyAfterMs = 5_000

/** Of a quota or a LimitRange. Their changes are watched; this is for a change that no event told of. */
const outsideBackoffMs = 5_000
/** While an open waits, its caller is worth a write each two seconds. */
const waitedForBackoffMs = 2_000
/** After a refusal from outside, one create tries for all: 2^5 is more than the usual `refill.inFlight` of 20. */
const outsideHalvings = 5
/** Halvings after which any number of starts is one. */
const oneAtATime = 30
/** Steps of `halvings` that one create that passed takes back: 1, 2, 10, 20 pods at a time. */
const halvingsBack = 2

/** A pod that no node has room for is news after this time, because an autoscaler or a scheduler needs some seconds. */
const unschedulableAfterMs = 5_000
/** Longer than agents usually take to load their models. */
const unreadyAfterMs = 60_000

const sharedCauses: readonly PodWriteReason[] = ['webhook', 'api', 'forbidden']
const outsideCauses: readonly PodWriteReason[] = ['quota', 'limit-range', ...sharedCauses]

export function createPoolFailures({ agentType, outage, now }: PoolFailuresOptions) {
  let specText: string | undefined
  let refusals: Refusals | undefined
  let deaths = none
  let lastCause: TroubleCause | undefined
  let refusalSpell: Spell | undefined
  let startSpell: Spell | undefined
  let trialSpell: Spell | undefined
  /** Pods that were counted already, with what was counted. */
  const counted = new Map<string, 'stuck' | 'dead'>()

  function continued(before: Spell | undefined, cause: PoolProblemCause, message: string, more = 1): Spell {
    const at = now()
    const same = before?.cause === cause ? before : undefined
    return { cause, message, count: (same?.count ?? 0) + more, since: same?.since ?? at, lastAt: at }
  }

  function reset(): void {
    refusals = undefined
    refusalSpell = startSpell = trialSpell = undefined
    deaths = none
    counted.clear()
  }

  /** Counts each pod that died or got stuck once. Many at one look are one failure. Returns those that are new. */
  function countNew(slots: readonly SlotView[]): readonly SlotView[] {
    const fresh = slots.filter((slot) => {
      const how = failureOf(slot)
      if (how === undefined || counted.get(slot.podUid) === how) return false
      counted.set(slot.podUid, how)
      return true
    })
    const [first] = fresh
    if (first) {
      const { cause, message } = troubleOf(first)
      startSpell = continued(startSpell, cause, message, fresh.length)
      lastCause = cause
      deaths = { count: deaths.count + 1, lastAt: now() }
    }
    const present = new Set(slots.map(({ podUid }) => podUid))
    for (const podUid of counted.keys()) if (!present.has(podUid)) counted.delete(podUid)
    return fresh
  }

  /** What keeps pods from being Ready without being a failure of their start. */
  function noteWaiting(slots: readonly SlotView[]): void {
    const waiting = slots.flatMap((slot) => waitingFor(slot, now()) ?? [])
    const isWaiting = startSpell?.cause === 'unschedulable' || startSpell?.cause === 'unready'
    const [first] = waiting
    if (first && (startSpell === undefined || isWaiting)) {
      const since = startSpell?.cause === first.cause ? startSpell.since : first.since
      startSpell = { ...first, count: waiting.length, since, lastAt: now() }
    } else if (!first && isWaiting) startSpell = undefined
  }

  /** Without its image or configuration every pod fails alike, so one at a time tries. */
  function startFailures(): Required<StartFailures> {
    const { count, lastAt } = deaths
    const isAlike = count > 0 && isStuckCause(lastCause)
    return { count: isAlike ? oneAtATime : count, lastAt, backoffMs: failedStartBackoffMs(count) }
  }

  function waitAfter(cause: PodWriteReason, tries: number, isWaitedFor: boolean): number {
    const most = isWaitedFor ? waitedForBackoffMs : outsideBackoffMs
    return outsideCauses.includes(cause) ? Math.min(most, startBackoffMs(tries)) : startBackoffMs(tries)
  }

  return {
    /** Takes what is seen now. Returns the pods that died or got stuck since the last look. */
    observe(observed: ObservedPool, spec: PoolSpec | undefined): readonly SlotView[] {
      const text = spec && canonicalJson(spec)
      // A changed document may cure every kind of failure.
      if (specText !== text) reset()
      specText = text
      const idle = observed.slots.filter(({ claim }) => claim === undefined)
      const fresh = countNew(idle)
      noteWaiting(idle)
      const isHealthy = idle.some(
        ({ state, readySince = 0 }) =>
          state === 'ready' && readySince > deaths.lastAt && now() - readySince >= healthyAfterMs,
      )
      const isStuck = idle.some((slot) => failureOf(slot) !== undefined)
      if (isHealthy) deaths = none
      if (startSpell && !isStuck && deaths.count === 0 && isFailure(startSpell.cause)) startSpell = undefined
      return fresh
    },

    /** What the plan is to reckon with; `isWaitedFor`: an open waits for a pod of this pool. */
    forPlan(isWaitedFor: boolean): StartFailures {
      const starts = startFailures()
      if (!refusals) return starts
      const { lastAt } = refusals
      const isShared = sharedCauses.includes(refusals.cause)
      const most = isWaitedFor ? waitedForBackoffMs : Number.POSITIVE_INFINITY
      const ownMs = outsideCauses.includes(refusals.cause)
        ? Math.min(most, refusals.backoffMs)
        : refusals.backoffMs
      const backoffMs = isShared ? Math.max(0, outage.nextTryAt() - lastAt) : ownMs
      const count = Math.max(refusals.halvings, starts.count)
      return lastAt + backoffMs >= starts.lastAt + starts.backoffMs
        ? { count, lastAt, backoffMs }
        : { ...starts, count }
    },

    /** After creates were sent: those that were refused. True if this refusal was not told yet. */
    answered(refused: readonly PodWriteError[], isWaitedFor: boolean): boolean {
      const [first] = refused
      if (!first) {
        outage.passed()
        refusalSpell = undefined
        const halvings = (refusals?.halvings ?? 0) - halvingsBack
        refusals = refusals && halvings > 0 ? { ...refusals, halvings, lastAt: 0, tries: 0 } : undefined
        return false
      }
      const { reason: cause, retryAfterMs } = first
      if (sharedCauses.includes(cause)) outage.failed(retryAfterMs)
      else outage.passed()
      const tries = (refusals?.cause === cause ? refusals.tries : 0) + 1
      const halvings = outsideCauses.includes(cause) ? outsideHalvings : (refusals?.halvings ?? 0) + 1
      refusals = { cause, tries, halvings, lastAt: now(), backoffMs: waitAfter(cause, tries, isWaitedFor) }
      const before = refusalSpell
      refusalSpell = continued(before, cause, withoutSecrets(first.message))
      return !before || stable(before.message) !== stable(refusalSpell.message)
    },

    /** A trial of this pool's pod passed, or was refused. */
    tried(refusal: PodWriteError | undefined): void {
      trialSpell = refusal && continued(trialSpell, refusal.reason, withoutSecrets(refusal.message))
    },

    /** Something happened that may cure refusals of these causes: the next try is at once. Returns whether it concerns them. */
    ease(causes: readonly PodWriteReason[]): boolean {
      if (!refusals || !causes.includes(refusals.cause)) return false
      refusals = { ...refusals, lastAt: 0, backoffMs: 0, tries: 0 }
      // What the refusal said may not be so any more. If it is, the next try says it again.
      refusalSpell = undefined
      return true
    },

    /** Once a pool lacks nothing and waits for nothing, its last refusal is history. */
    settle(plan: PoolPlan, pendingCreates: number, observed: ObservedPool): void {
      if (plan.create > 0 || plan.boundBy !== undefined || pendingCreates > 0) return
      refusals = undefined
      refusalSpell = undefined
      const { warming, ready, failed } = observed.counts
      // Nothing is wanted, so nothing can fail.
      if (warming + ready + failed === 0) startSpell = undefined
    },

    problem(plan: PoolPlan): PoolProblem | undefined {
      const spell = refusalSpell ?? startSpell ?? trialSpell
      if (!spell) return undefined
      const waitMs = spell === refusalSpell ? refusalWaitMs() : plan.requeueAfterMs
      return poolProblem({ ...spell, nextTryAt: waitMs === undefined ? undefined : now() + waitMs })
    },

    /** The problem's sentence, the same for the same cause: for Events and for comparing. */
    stableMessage: (message: string): string => stable(message),

    /** What to call the limit that binds, if a refusal tells it better than the plan. */
    boundBy(): PodWriteReason | undefined {
      const cause = refusalSpell?.cause
      return cause === 'quota' || cause === 'limit-range' ? cause : undefined
    },
  }

  function stable(message: string): string {
    return withoutNames(message, agentType)
  }

  function refusalWaitMs(): number | undefined {
    if (!refusals) return undefined
    const at = sharedCauses.includes(refusals.cause)
      ? outage.nextTryAt()
      : refusals.lastAt + refusals.backoffMs
    return Math.max(0, at - now())
  }
}

export type PoolFailures = ReturnType<typeof createPoolFailures>

function isFailure(cause: PoolProblemCause): boolean {
  return cause !== 'unschedulable' && cause !== 'unready'
}

/** Dead for good, or stuck: the kubelet tries again by itself, but only something outside the pod can help. */
function failureOf({ state, trouble, origin }: SlotView): 'stuck' | 'dead' | undefined {
  // A pod that somebody else made or changed says nothing about the template.
  if (!isOwnPod(origin) || originFault(origin)) return undefined
  // Replaced because the kubelet would wait longer for its next pull: the same failure as before.
  if (state === 'failed') return isStuckCause(trouble?.cause) ? 'stuck' : 'dead'
  return state === 'warming' && trouble && isFailure(trouble.cause) ? 'stuck' : undefined
}

function troubleOf({ trouble, deadReason }: SlotView): { cause: TroubleCause; message: string } {
  return trouble ?? { cause: 'crash', message: deadReason ?? 'the pod ended' }
}

function waitingFor(
  { state, trouble, createdAt }: SlotView,
  now: number,
): { cause: PoolProblemCause; message: string; since: number } | undefined {
  if (state !== 'warming') return undefined
  const ageMs = now - createdAt
  if (trouble?.cause === 'unschedulable')
    return ageMs < unschedulableAfterMs ? undefined : { ...trouble, since: createdAt }
  if (trouble || ageMs < unreadyAfterMs) return undefined
  return { cause: 'unready', message: 'a pod runs and is not Ready', since: createdAt }
}
