import type { AgentPod } from '../domain/agent-pod.ts'
import type { DocumentView, PodView } from '../domain/cluster-ports.ts'
import type { WakeBus } from '../domain/index-ports.ts'
import type { PodWriteReason } from '../domain/pod-write-error.ts'
import type { PoolsDocument } from '../domain/pool.ts'
import type { ProjectLimitStore } from '../domain/project-limits.ts'
import type { ClaimLedger } from '../domain/session-ports.ts'
import type { SizingLedger } from '../domain/sizing-ports.ts'
import type { Logger } from '../logging.ts'
import type { Metrics } from '../metrics.ts'
import { every } from '../timing/every.ts'
import type { AgentRemovals } from './agent-removals.ts'
import type { ForgottenSessions } from './forgotten-sessions.ts'
import { createGatheredKeys } from './gathered-keys.ts'
import type { PodDeaths } from './pod-deaths.ts'
import type { PoolReconciler } from './pool-reconciler.ts'
import { createPoolResync } from './pool-resync.ts'
import type { PoolTargets } from './pool-targets.ts'
import type { PoolTrial } from './pool-trial.ts'
import { easedBy, type Reliefs } from './relief.ts'
import type { Retention } from './retention.ts'
import type { SessionReconciler } from './session-reconciler.ts'
import type { VanishedPods } from './vanished-pods.ts'
import { createWorkQueue } from './work-queue.ts'

interface ControllerDeps {
  readonly pools: DocumentView<PoolsDocument>
  readonly pods: PodView
  readonly ledger: ClaimLedger
  readonly wakes: WakeBus
  /** Whether wake-ups can arrive at present. */
  readonly isHeard: () => boolean
  readonly poolReconciler: PoolReconciler
  readonly poolTargets: Pick<PoolTargets, 'begin' | 'flush' | 'end'>
  readonly sizingLedger: Pick<SizingLedger, 'purge'>
  readonly poolTrial: PoolTrial
  readonly reliefs: Reliefs
  /** Judges a refused agent-pools document again. */
  readonly reconsiderPools: () => Promise<void>
  readonly sessionReconciler: SessionReconciler
  readonly podDeaths: PodDeaths
  readonly vanishedPods: VanishedPods
  readonly forgottenSessions: ForgottenSessions
  readonly agentRemovals: AgentRemovals
  readonly retention: Retention
  readonly projectLimits: Pick<ProjectLimitStore, 'recount'>
  readonly metrics: Metrics
  readonly logger: Logger
}

/** Work that a lost event should have started is found within this time, with many pools after five times as long. */
const poolResyncMs = 2_000
/** Changes of pods that nobody waits for. Short beside the start of a pod, long beside the events of a create. */
const gatherMs = 250
/** DESIGN §3: a lapsed lease is ended within 2 s. */
const leaseSweepMs = 1_000
const vanishedSweepMs = 5_000
/** What the sizing of pools decided and remembers is written together; a crash costs at most this. */
const sizingMs = 1_000
/** A minute is often enough, because nothing waits for a row to be deleted. */
const retentionMs = 60_000
const allPods = 'all'
/** The webhook's replicas and the API server's own caches hear of a change a moment after the controller. */
const trialDelayMs = 1_000
/** After an outage their watches pause for up to 10 s: until then a trial may have been judged by the policy before. */
const policySettledMs = 15_000
/** What a refused document lacks may come without an event: a PriorityClass, a Secret, another webhook's rule. */
const reconsiderMs = 30_000
/** Rows of one sweep. The next sweep takes the rest. */
const sweepLimit = 500

/** Everything the elected controller does, from winning the lease until `signal`. */
export function createController(deps: ControllerDeps) {
  const { pools, pods, ledger, wakes, poolReconciler, sessionReconciler, metrics, logger } = deps
  const { poolTargets, sizingLedger } = deps
  const { podDeaths, vanishedPods, forgottenSessions, agentRemovals, retention } = deps
  const { poolTrial, reliefs, reconsiderPools, projectLimits } = deps

  return async function lead(signal: AbortSignal): Promise<void> {
    logger.info('leading: pools and sessions are reconciled here')
    metrics.leading.set(1)
    const queueOf = (name: string, workers: number, work: (key: string) => Promise<number | undefined>) => {
      const queue = createWorkQueue({
        workers,
        signal,
        log: logger.child({ queue: name }),
        async run(key) {
          const done = metrics.reconcileSeconds.startTimer({ controller: name })
          try {
            const againMs = await work(key)
            if (againMs !== undefined) queue.addAfter(key, againMs)
            metrics.reconciles.inc({ controller: name, result: 'ok' })
          } catch (error) {
            metrics.reconciles.inc({ controller: name, result: 'error' })
            throw error
          } finally {
            done()
          }
        },
      })
      return queue
    }
    const poolQueue = queueOf('pools', 4, poolReconciler.reconcile)
    const sessionQueue = queueOf('sessions', 16, sessionReconciler.reconcile)
    const podQueue = queueOf('pods', 8, (key) => podDeaths.reconcile(key))
    // One key for all, because whether absences are believed depends on their number.
    const absenceQueue = queueOf('absences', 1, () => vanishedPods.reconcile())
    const forgottenQueue = queueOf('forgotten', 1, () => forgottenSessions.reconcile())
    const roomQueue = queueOf('rooms', 2, (key) => agentRemovals.reconcile(key))
    // A change of the policy that was made while nobody led is tried by the next leader.
    let policyChangedAt = performance.now()
    const trialQueue = queueOf('trials', 1, async (relief) => {
      if (pools.status().problems !== undefined) await reconsiderPools()
      await poolTrial.look({ rows: relief === 'policy' })
      const settledInMs = policyChangedAt + policySettledMs - performance.now()
      return relief === 'policy' && settledInMs > 0 ? settledInMs : undefined
    })
    const ease = (causes: readonly PodWriteReason[]) => {
      for (const agentType of poolReconciler.ease(causes)) poolQueue.add(agentType)
    }
    const poolEvents = createGatheredKeys({ add: (key) => poolQueue.add(key), gatherMs, signal })
    const resync = createPoolResync({
      poolsToWatch: () => poolReconciler.poolsToWatch(),
      isHeard: () => deps.isHeard(),
    })
    poolTargets.begin()
    sessionReconciler.begin()
    podDeaths.begin()
    vanishedPods.reset()
    forgottenSessions.reset()
    agentRemovals.begin((key) => roomQueue.add(key))

    const unsubscribe = [
      pods.onChange((change) => {
        const { pod, gone, absent } = change
        if (gone || isUrgent(pod)) poolEvents.now(pod.agentType)
        else poolEvents.soon(pod.agentType)
        const death = podDeaths.deathIn(change)
        const ending = sessionReconciler.endingOn(pod.uid)
        if (gone) {
          poolReconciler.podGone(pod.agentType, pod.uid)
          ease(easedBy.quota)
        }
        if (ending) sessionQueue.add(ending)
        else if (absent) absenceQueue.add(allPods)
        else if (death) podQueue.add(death)
      }),
      pools.onChange(() => poolReconciler.poolsToWatch().forEach((agentType) => poolQueue.add(agentType))),
      reliefs.subscribe((relief) => {
        ease(easedBy[relief])
        if (relief === 'policy') policyChangedAt = performance.now()
        if (relief !== 'quota') trialQueue.addAfter(relief, trialDelayMs)
      }),
      wakes.subscribe((wake) => {
        if (wake.kind === 'claimed' || wake.kind === 'missed') poolQueue.add(wake.agentType)
        if (wake.kind === 'ending') sessionQueue.add(wake.sessionId)
      }),
    ]
    const loop = (name: string, everyMs: number, work: () => Promise<void>) =>
      every({ name, everyMs, signal, logger, metrics }, work)
    trialQueue.addAfter('policy', trialDelayMs)
    try {
      await Promise.all([
        loop('pool-resync', poolResyncMs, async () => {
          for (const agentType of resync.due()) poolQueue.add(agentType)
        }),
        loop('leases', leaseSweepMs, async () => {
          for (const session of await ledger.lapse(sweepLimit)) sessionQueue.add(session.id)
          for (const id of await sessionReconciler.ending(sweepLimit)) sessionQueue.add(id)
        }),
        loop('vanished-pods', vanishedSweepMs, async () => absenceQueue.add(allPods)),
        loop('forgotten-sessions', vanishedSweepMs, async () => forgottenQueue.add(allPods)),
        loop('refused-pools', reconsiderMs, async () => {
          if (pools.status().problems !== undefined) await reconsiderPools()
        }),
        loop('pool-sizing', sizingMs, () => poolTargets.flush()),
        loop('pool-sizing-retention', retentionMs, async () => {
          const document = pools.current()
          if (document) await sizingLedger.purge(Object.keys(document.pools))
        }),
        loop('project-counts', retentionMs, async () => {
          const projectIds = await projectLimits.recount()
          if (projectIds.length > 0) logger.warn({ projectIds }, 'sessions of projects were counted wrongly')
        }),
        loop('retention', retentionMs, () => retention(signal)),
      ])
    } finally {
      for (const stop of unsubscribe) stop()
      await Promise.all(
        [poolQueue, sessionQueue, podQueue, absenceQueue, forgottenQueue, roomQueue, trialQueue].map(
          (queue) => queue.stop(),
        ),
      )
      await poolTargets.flush().catch((error: unknown) => {
        logger.warn({ err: error }, 'the sizing of the last second is not kept')
      })
      poolTargets.end()
      vanishedPods.reset()
      forgottenSessions.reset()
      metrics.leading.set(0)
      // Only the leader speaks for the pools.
      metrics.poolProblem.reset()
      metrics.poolQuotaPods.reset()
      logger.info('no longer leading')
    }
  }
}

/** An idle pod that is Ready may be offered, and one that is dead replaced. */
function isUrgent({ readySince, stateLabel, deletingSince, deadReason }: AgentPod): boolean {
  return (
    deadReason !== undefined ||
    (readySince !== undefined && stateLabel === 'idle' && deletingSince === undefined)
  )
}

/** Tells every process which sessions entered ENDING. */
export function announceEndings(wakes: WakeBus): (sessionIds: readonly string[]) => void {
  return (sessionIds) => {
    for (const sessionId of sessionIds) wakes.publish({ kind: 'ending', sessionId })
  }
}
