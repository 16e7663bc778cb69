import { createAbsenceGuard } from '../domain/absence-guard.ts'
import type { PodView, PodWriter } from '../domain/cluster-ports.ts'
import { endReason, type Session, type SessionPod } from '../domain/session.ts'
import type { ClaimLedger } from '../domain/session-ports.ts'
import type { Logger } from '../logging.ts'
import type { Metrics } from '../metrics.ts'
import { createFrozenAlarm } from './frozen-alarm.ts'
import type { PendingGrace } from './pending-grace.ts'
import type { PodDeaths } from './pod-deaths.ts'

interface VanishedPodsDeps {
  readonly ledger: ClaimLedger
  readonly pods: PodView
  readonly writer: PodWriter
  readonly podDeaths: PodDeaths
  readonly grace: PendingGrace
  readonly onEnding: (sessionIds: readonly string[]) => void
  /** Makes an Event for people. */
  readonly report: (reason: string, message: string) => void
  readonly metrics: Metrics
  readonly logger: Logger
  readonly monotonicMs: () => number
}

/** Confirming reads at a time. 1,000 pods take about a second, and the load on the API server is small. */
const readsAtOnce = 16

type LiveOn = Session & { readonly pod: SessionPod }

/**
 * Finds live sessions whose pod the informer does not show: after a missed event, a time without a controller, an empty
 * re-list or a restored backup. A read of its own confirms each absence, and the guard judges all of them together.
 */
export function createVanishedPods(deps: VanishedPodsDeps) {
  const { ledger, pods, writer, podDeaths, grace, metrics, logger } = deps
  let guard = createAbsenceGuard()
  const alarm = createFrozenAlarm({
    what: 'pods',
    line: 'too many pods of live sessions seem to be missing',
    note: ({ missing, live }) =>
      `The pods of ${missing} of ${live} live sessions are missing: none of these sessions is ended.`,
    report: deps.report,
    metrics,
    logger,
  })
  /** Limits the looks while frozen: each asks the API server for every missing pod, which may be thousands. */
  let nextLookAt = 0

  /** Throws if one could not be read. Then the number of missing pods is unknown, and none is judged. */
  async function confirm(missing: readonly LiveOn[]): Promise<LiveOn[]> {
    const confirmed: LiveOn[] = []
    for (let from = 0; from < missing.length; from += readsAtOnce) {
      const group = missing.slice(from, from + readsAtOnce)
      const there = await Promise.all(group.map(({ pod }) => writer.exists(pod)))
      confirmed.push(...group.filter((_, at) => there[at] === false))
    }
    return confirmed
  }

  /** The absence of a pod counts at once only if its session was delivered; a PENDING one has its grace. */
  const mayEnd = ({ status, pod }: LiveOn): boolean => status === 'ACTIVE' || grace.remainingMs(pod.uid) === 0

  return {
    /** One look at all live sessions. Resolves with the time after which to look again, ms. */
    async reconcile(): Promise<number | undefined> {
      const waitMs = nextLookAt - deps.monotonicMs()
      if (alarm.isOn() && waitMs > 0) return waitMs
      const live = (await ledger.liveSessions()).filter(
        (session): session is LiveOn => session.pod !== undefined,
      )
      const missing = live.filter((session) => pods.get(session.pod.uid) === undefined && mayEnd(session))
      const confirmed = await confirm(missing)
      const evident = confirmed.filter(({ pod }) => podDeaths.evidenceOf(pod.uid) !== undefined)
      const absent = confirmed.filter(({ pod }) => podDeaths.evidenceOf(pod.uid) === undefined)
      const verdict = guard.judge({
        live: live.length,
        missing: absent.map(({ pod }) => pod.uid),
        now: deps.monotonicMs(),
      })
      alarm.show(verdict.frozen, { missing: absent.length, live: live.length })
      nextLookAt = deps.monotonicMs() + (verdict.againMs ?? 0)
      const ends = [...evident.map(({ pod }) => pod.uid), ...verdict.end].map((podUid) => ({
        podUid,
        reason: podDeaths.evidenceOf(podUid) ?? endReason.podDeleted,
      }))
      if (ends.length > 0) {
        const ended = await ledger.endOnPods(ends)
        for (const { id, endReason: reason } of ended)
          logger.warn({ sessionId: id, reason }, 'the pod of a session is gone')
        deps.onEnding(ended.map(({ id }) => id))
      }
      return verdict.againMs
    },

    /** When a leadership begins or ends. What goes missing while nobody looks counts from the next look. */
    reset(): void {
      guard = createAbsenceGuard()
      alarm.reset()
    },
  }
}

export type VanishedPods = ReturnType<typeof createVanishedPods>
