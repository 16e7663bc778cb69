import { canonicalJson } from '../domain/canonical-json.ts'
import type { PoolSpec } from '../domain/pool.ts'
import type { ObservedPool } from '../domain/pool-observation.ts'
import type { PoolSizingReport } from '../domain/pool-sizing-report.ts'
import { createSchedule, type Schedule } from '../domain/schedule.ts'
import { explainTarget } from '../domain/sizing/explain-target.ts'
import { nextTarget } from '../domain/sizing/next-target.ts'
import type { SizingBounds, SizingInput } from '../domain/sizing/sizing-input.ts'
import type { SizingSpec } from '../domain/sizing/sizing-spec.ts'
import type { SizingState } from '../domain/sizing/sizing-state.ts'
import type { SizingTerms } from '../domain/sizing/sizing-terms.ts'
import type { DemandFeed, SizingLedger } from '../domain/sizing-ports.ts'
import type { Logger } from '../logging.ts'
import type { Metrics } from '../metrics.ts'
import { createBoundSpells } from './bound-spells.ts'
import { createDecisionLog } from './decision-log.ts'
import { keptSizing, readKeptSizing } from './kept-sizing.ts'
import { createOwedPods } from './owed-pods.ts'
import { createPoolDemand, type PoolDemand } from './pool-demand.ts'
import { createPoolStarts, type PoolStarts } from './pool-starts.ts'
import { createStartCauses } from './start-causes.ts'
import { createTargetGauges } from './target-gauges.ts'

interface PoolTargetsDeps {
  readonly feed: DemandFeed
  readonly ledger: SizingLedger
  readonly report: (agentType: string, reason: string, message: string) => void
  readonly metrics: Metrics
  readonly logger: Logger
  /** Name of one time of leading, new with each call. */
  readonly newRun: () => string
  /** Epoch ms. */
  readonly now: () => number
}

interface TargetRequest {
  readonly spec: PoolSpec
  readonly observed: ObservedPool
  readonly pendingCreates: number
  /** Starts of this pool fail, or its creates are refused. */
  readonly failing: boolean
  /** Opens that wait for a pod. */
  readonly waiting: number
  /** Pods of this pool that the namespace's quota allows in all. */
  readonly quota?: number | undefined
}

export interface PoolTarget {
  /** Idle pods to keep. */
  readonly min: number
  /** Pods beyond that for opens that wait. */
  readonly owed: number
  readonly report: PoolSizingReport
  /** The limit that keeps the pool below what its rule asks for. */
  readonly boundBy: string | undefined
  /** When the schedule changes next, ms from now. */
  readonly againMs: number | undefined
}

interface TargetMemory {
  readonly agentType: string
  readonly demand: PoolDemand
  readonly starts: PoolStarts
  readonly owed: ReturnType<typeof createOwedPods>
  state: SizingState | undefined
  schedule: { readonly text: string; readonly of: Schedule } | undefined
  last: LastDecision | undefined
  isKept: boolean
}

interface LastDecision {
  /** What decided, in so far as it does not change by itself. */
  readonly facts: string
  readonly at: number
  readonly target: number
  readonly terms: SizingTerms
}

/**
 * When nothing happens, time itself is looked at this often: a hold that is over, an hour of day. The steps of a replay
 * stay few: a quiet pool makes 17,000 of them a day.
 */
const quietMs = 5_000
/** Before there is data. Agents that load models take about this long. */
const assumedLeadMs = 60_000
/** A window is not prepared for earlier than this, whatever was measured. */
const longestLeadMs = 30 * 60_000

/**
 * Decides on each look how many idle pods each pool shall have. The mathematics is `nextTarget`; here is what it is fed
 * with, and where its memory is kept while leaders change.
 */
export function createPoolTargets(deps: PoolTargetsDeps) {
  const { feed, ledger, metrics, logger, now } = deps
  const memories = new Map<string, TargetMemory>()
  const decisions = createDecisionLog(ledger, deps.newRun)
  const bounds = createBoundSpells({ report: deps.report, now })
  const gauges = createTargetGauges(metrics)
  const startCauses = createStartCauses(now)

  async function memoryOf(agentType: string): Promise<TargetMemory> {
    const known = memories.get(agentType)
    if (known) return known
    const found = readKeptSizing(await ledger.read(agentType))
    if (found.problem !== undefined)
      logger.warn({ agentType, problem: found.problem }, 'the memory of a pool is not usable; it begins anew')
    const memory: TargetMemory = {
      agentType,
      demand: createPoolDemand({ agentType, feed, ledger, from: found.kept?.demand, now }),
      starts: createPoolStarts(found.kept?.state.at, (podUid, seconds) =>
        metrics.podStartSeconds.observe({ agent_type: agentType, cause: startCauses.take(podUid) }, seconds),
      ),
      owed: createOwedPods(),
      state: found.kept?.state,
      schedule: undefined,
      last: undefined,
      isKept: true,
    }
    memories.set(agentType, memory)
    return memory
  }

  function scheduleOf(memory: TargetMemory, windows: PoolSpec['schedule'] = []): Schedule {
    const text = canonicalJson(windows)
    if (memory.schedule?.text !== text) memory.schedule = { text, of: createSchedule(windows) }
    return memory.schedule.of
  }

  /** Folds one input. A memory that leads to no number is given up: the pool begins anew from the same input. */
  function fold(memory: TargetMemory, spec: SizingSpec, limits: SizingBounds, input: SizingInput) {
    const { agentType, state } = memory
    const from = { spec, bounds: limits, input }
    try {
      const next = nextTarget({ ...from, state })
      if (Number.isSafeInteger(next.target)) return { next, state }
      logger.error({ agentType, terms: next.terms }, 'the sizing of a pool came to no number; it begins anew')
    } catch (error) {
      logger.error({ agentType, err: error }, 'the sizing of a pool failed; it begins anew')
    }
    return { next: nextTarget({ ...from, state: undefined }), state: undefined }
  }

  function decide(memory: TargetMemory, spec: SizingSpec, limits: SizingBounds, input: SizingInput) {
    const { agentType } = memory
    const { now: at, arrivals, misses, starts, oldestStartSeconds: _age, ...facts } = input
    const text = canonicalJson({ spec, limits, facts })
    const { last } = memory
    const isQuiet = arrivals === 0 && misses === 0 && starts.length === 0 && last?.facts === text
    if (last && isQuiet && at >= last.at && at - last.at < quietMs) return last
    const { next, state } = fold(memory, spec, limits, input)
    decisions.add({
      agentType,
      bounds: limits,
      input,
      target: next.target,
      terms: next.terms,
      from: { spec, ...(state && { state }), isNext: state === memory.state },
    })
    memory.state = next.state
    memory.isKept = false
    memory.last = { facts: text, at, target: next.target, terms: next.terms }
    metrics.poolArrivals.inc({ agent_type: agentType, result: 'warm' }, Math.max(0, arrivals - misses))
    metrics.poolArrivals.inc({ agent_type: agentType, result: 'missed' }, misses)
    return memory.last
  }

  function forget(agentType: string): void {
    memories.delete(agentType)
    decisions.forget(agentType)
    bounds.forget(agentType)
    gauges.forget(agentType)
  }

  async function keep(): Promise<void> {
    const changed = [...memories.values()].filter(({ isKept, state }) => !isKept && state !== undefined)
    for (const memory of changed) memory.isKept = true
    try {
      await ledger.keep(
        changed.flatMap(({ agentType, state, demand }) =>
          state ? [{ agentType, decidedAt: state.at, kept: keptSizing(state, demand.counts()) }] : [],
        ),
      )
    } catch (error) {
      for (const memory of changed) memory.isKept = false
      throw error
    }
  }

  return {
    /** This process leads from now on: what it remembers of an earlier time is out of date. */
    begin(): void {
      for (const agentType of memories.keys()) forget(agentType)
      decisions.begin()
    },

    async look(agentType: string, request: TargetRequest): Promise<PoolTarget> {
      const { spec, observed, pendingCreates, failing, waiting } = request
      const memory = await memoryOf(agentType)
      const { arrivals, misses } = await memory.demand.look()
      const at = now()
      const seen = memory.starts.look(observed.slots, at)
      const { leadMeanSeconds = 0, leadP99Seconds = 0 } = memory.last?.terms ?? {}
      const lead = leadOf({ leadMeanSeconds, leadP99Seconds, inFlight: spec.refill.inFlight })
      const { scheduled, edgeAt } = scheduleOf(memory, spec.schedule).at(at, lead)
      const { claimed, ready, warming } = observed.counts
      const input: SizingInput = {
        now: at,
        arrivals,
        misses,
        starts: seen.starts,
        failing,
        oldestStartSeconds: seen.oldestStartSeconds,
        claimed,
        ready,
        starting: warming + pendingCreates,
        waiting,
        ...(scheduled && { scheduled }),
      }
      const limits: SizingBounds = {
        min: spec.min,
        max: spec.max,
        ...(request.quota !== undefined && { quota: request.quota }),
      }
      // Without a rule a pool keeps `min`, and its windows.
      const sizing: SizingSpec = spec.sizing ?? { mode: 'apply', fixed: spec.min }
      const { target, terms } = decide(memory, sizing, limits, input)
      const owed = memory.owed({
        waiting,
        claimed: seen.claimed,
        startP99Seconds: terms.leadP99Seconds,
        now: at,
      })
      const rules = spec.sizing?.mode === 'apply'
      const min = rules ? target : Math.max(spec.min, scheduled?.pods ?? 0)
      const boundBy = spec.sizing && bounds.look(agentType, terms)
      return {
        min,
        owed: rules ? owed : 0,
        report: show(agentType, { sizing, min, target, terms }),
        boundBy: rules ? boundBy : undefined,
        againMs: edgeAt === undefined ? undefined : edgeAt - at,
      }
    },

    forget,

    /** Why a pod is made that will start. */
    noteCause: startCauses.note,

    /** Writes what was decided since the last time. */
    async flush(): Promise<void> {
      await decisions.flush()
      await keep()
    },

    end: () => gauges.end(),
  }

  function show(
    agentType: string,
    shown: { sizing: SizingSpec; min: number; target: number; terms: SizingTerms },
  ): PoolSizingReport {
    const { sizing, min, target, terms } = shown
    const isAdvice = sizing.mode === 'recommend'
    gauges.show(agentType, { min, recommended: isAdvice ? target : undefined, terms })
    return {
      mode: sizing.mode,
      target: min,
      ...(isAdvice && { recommended: target }),
      terms,
      sentence: explainTarget(terms),
    }
  }
}

export type PoolTargets = ReturnType<typeof createPoolTargets>

interface LeadFacts {
  readonly leadMeanSeconds: number
  readonly leadP99Seconds: number
  readonly inFlight: number
}

/** How long before a window its pods are asked for: one slow start, after the rounds that `refill.inFlight` makes of them. */
function leadOf({ leadMeanSeconds, leadP99Seconds, inFlight }: LeadFacts): (pods: number) => number {
  const oneMs = leadP99Seconds > 0 ? leadP99Seconds * 1_000 : assumedLeadMs
  const roundMs = leadMeanSeconds > 0 ? leadMeanSeconds * 1_000 : assumedLeadMs
  return (pods) => Math.min(longestLeadMs, oneMs + roundMs * (Math.ceil(pods / inFlight) - 1))
}
