import type { PoolsDocument } from '../domain/pool.ts'
import type { ClaimLedger, DocumentView, PodView, WakeBus } from '../domain/ports.ts'
import type { Logger } from '../logging.ts'
import type { Metrics } from '../metrics.ts'
import { every } from './every.ts'
import type { PoolReconciler } from './pool-reconciler.ts'
import type { SessionReconciler } from './session-reconciler.ts'
import { createWorkQueue } from './work-queue.ts'

export interface ControllerDeps {
  readonly pools: DocumentView<PoolsDocument>
  readonly pods: PodView
  readonly ledger: ClaimLedger
  readonly wakes: WakeBus
  readonly poolReconciler: PoolReconciler
  readonly sessionReconciler: SessionReconciler
  readonly metrics: Metrics
  readonly logger: Logger
}

/** What an event should have started and did not: found within this time. */
const poolResyncMs = 2_000
/** DESIGN §3: a lapsed lease is ended within 2 s. */
const leaseSweepMs = 1_000
const vanishedSweepMs = 5_000
/** Rows of one sweep; the rest follows in the next. */
const sweepLimit = 500

/** Everything the elected controller does, from winning the lease until `signal`. */
export function createController(deps: ControllerDeps) {
  const { pools, pods, ledger, wakes, poolReconciler, sessionReconciler, metrics, logger } = deps

  return async function lead(signal: AbortSignal): Promise<void> {
    logger.info('leading: pools and sessions are reconciled here')
    metrics.leading.set(1)
    const queueOf = (name: string, workers: number, work: (key: string) => Promise<number | undefined>) => {
      const queue = createWorkQueue({
        workers,
        signal,
        log: logger.child({ queue: name }),
        async run(key) {
          try {
            const againMs = await work(key)
            if (againMs !== undefined) queue.addAfter(key, againMs)
            metrics.reconciles.inc({ controller: name, result: 'ok' })
          } catch (error) {
            metrics.reconciles.inc({ controller: name, result: 'error' })
            throw error
          }
        },
      })
      return queue
    }
    const poolQueue = queueOf('pools', 4, poolReconciler.reconcile)
    const sessionQueue = queueOf('sessions', 16, sessionReconciler.reconcile)
    // The key holds all there is to know: a pod read by a name that was forgotten would seem to be gone.
    const podQueue = queueOf('pods', 4, async (key) => {
      const [name = '', uid = ''] = key.split('/')
      const ids = await sessionReconciler.podVanished({ uid, name })
      for (const id of ids) sessionQueue.add(id)
      return undefined
    })
    const addVanished = ({ name, uid }: { uid: string; name: string }) => podQueue.add(`${name}/${uid}`)

    const unsubscribe = [
      pods.onChange(({ pod, gone }) => {
        poolQueue.add(pod.agentType)
        if (!gone) return
        poolReconciler.podGone(pod.agentType, pod.uid)
        const session = sessionReconciler.endingOn(pod.uid)
        if (session) sessionQueue.add(session)
        else addVanished(pod)
      }),
      pools.onChange(() => poolReconciler.poolsToWatch().forEach((agentType) => poolQueue.add(agentType))),
      wakes.subscribe((wake) => {
        if (wake.kind === 'claimed') poolQueue.add(wake.agentType)
        if (wake.kind === 'ending') sessionQueue.add(wake.sessionId)
      }),
    ]
    const loop = (name: string, everyMs: number, work: () => Promise<void>) =>
      every({ name, everyMs, signal, logger, metrics }, work)
    try {
      await Promise.all([
        loop('pool-resync', poolResyncMs, async () => {
          for (const agentType of poolReconciler.poolsToWatch()) poolQueue.add(agentType)
        }),
        loop('leases', leaseSweepMs, async () => {
          for (const session of await ledger.lapse(sweepLimit)) sessionQueue.add(session.id)
          for (const session of await ledger.ending(sweepLimit)) sessionQueue.add(session.id)
        }),
        loop('vanished-pods', vanishedSweepMs, async () => {
          for (const pod of await sessionReconciler.vanishedPods()) addVanished(pod)
        }),
      ])
    } finally {
      for (const stop of unsubscribe) stop()
      await Promise.all([poolQueue.stop(), sessionQueue.stop(), podQueue.stop()])
      metrics.leading.set(0)
      logger.info('no longer leading')
    }
  }
}

/** For `pools.onChange` and reconcilers that meet in `main`: sessions that entered ENDING are told to everyone. */
export function announceEndings(wakes: WakeBus): (sessionIds: readonly string[]) => void {
  return (sessionIds) => {
    for (const sessionId of sessionIds) wakes.publish({ kind: 'ending', sessionId })
  }
}
