import { podDrift } from '../admission/explain/pod-drift.ts'
import type { PolicyInForce } from '../admission/policy/policy-in-force.ts'
import type { Logger } from '../logging.ts'
import type { Metrics } from '../metrics.ts'

interface DriftWatchDeps {
  readonly namespace: string
  /** Pods that have not ended, page by page; not decoded. */
  readonly pods: () => AsyncIterable<readonly unknown[]>
  /** The policy and keys in force; undefined until a policy was accepted, when there is nothing to drift from. */
  readonly context: () => PolicyInForce | undefined
  readonly metrics: Metrics
  readonly logger: Logger
  /** Monotonic ms. */
  readonly now: () => number
  /** Resolves after so many ms, or at once when the signal fires. */
  readonly pause: (ms: number, signal: AbortSignal) => Promise<void>
}

/** People act on drift within hours, but an alarm about a webhook that was away is due within a minute. */
const atMostEveryMs = 30_000

/** A look takes 0.3 ms a pod (reading, parsing, judging). All looks together take a hundredth of one core, however many pods. */
const shareOfTime = 100

/** Pods judged in one turn of the event loop: about 3 ms. */
const judgedAtOnce = 32

/** How many running pods the policy would change or deny today, as gauge `greenroom_admission_drift_pods`. */
export function createDriftWatch(deps: DriftWatchDeps) {
  const { namespace, metrics, logger, now } = deps
  const gauge = metrics.admissionDrift
  let told = ''

  /** One look at all pods. Throws when they could not be read; then the gauge keeps its value. */
  async function look(): Promise<void> {
    const context = deps.context()
    if (!context) return
    const counts = { change: 0, deny: 0 }
    for await (const page of deps.pods()) {
      for (let from = 0; from < page.length; from += judgedAtOnce) {
        for (const pod of page.slice(from, from + judgedAtOnce)) {
          const found = podDrift(pod, namespace, context)
          if (found) counts[found.drift] += 1
        }
        await new Promise((resolve) => setImmediate(resolve))
      }
    }
    gauge.set({ decision: 'change' }, counts.change)
    gauge.set({ decision: 'deny' }, counts.deny)
    const line = JSON.stringify(counts)
    if (line !== told && counts.change + counts.deny > 0)
      logger.warn({ ...counts }, 'running pods differ from the policy; "greenroom scan" names them')
    told = line
  }

  return {
    look,
    /** Looks until the signal, then removes the gauge: only the leader speaks for the cluster. */
    async run(signal: AbortSignal): Promise<void> {
      told = ''
      try {
        while (!signal.aborted) {
          const begun = now()
          await look().catch((error: unknown) => {
            metrics.loopErrors.inc({ loop: 'drift' })
            logger.warn({ err: error, loop: 'drift' }, 'background loop failed; it goes on')
          })
          await deps.pause(Math.max(atMostEveryMs, (now() - begun) * shareOfTime), signal)
        }
      } finally {
        gauge.reset()
      }
    },
  }
}
