import { createAbsenceGuard } from '../domain/absence-guard.ts'
import { endOfSessionOn, servedPods } from '../domain/agent-pod.ts'
import type { PodView } from '../domain/cluster-ports.ts'
import type { ClaimLedger } from '../domain/session-ports.ts'
import type { Logger } from '../logging.ts'
import type { Metrics } from '../metrics.ts'
import { createFrozenAlarm } from './frozen-alarm.ts'

interface ForgottenSessionsDeps {
  readonly ledger: Pick<ClaimLedger, 'forgotten' | 'retire'>
  readonly pods: Pick<PodView, 'all' | 'synced'>
  /** Makes an Event for people. */
  readonly report: (reason: string, message: string) => void
  readonly metrics: Metrics
  readonly logger: Logger
  readonly monotonicMs: () => number
}

/** What the claim of such a pod says, and every Event about it. */
export const forgottenReason = 'serves a session that the database does not know'

/**
 * Sessions that a pod serves and PostgreSQL has never heard of: they were opened after the backup that was restored, or
 * the database is the wrong one. The record cannot be made again, because nothing but PostgreSQL had it. Until such a pod
 * is retired the pool counts it as claimed, so nobody is given it.
 *
 * - a pod whose agent has ended is retired at once. An agent ends by itself when its renewal is answered 404;
 * - few pods (DESIGN §3: five, or a tenth) are retired, and the pool's next look deletes them with their grace period;
 * - many are left alone, with an alarm: an operator may have connected the wrong database. After ten minutes they go, at
 *   the capped rate.
 */
export function createForgottenSessions(deps: ForgottenSessionsDeps) {
  const { ledger, pods, metrics, logger, monotonicMs } = deps
  let guard = createAbsenceGuard()
  const alarm = createFrozenAlarm({
    what: 'forgotten',
    line: 'the database does not know too many sessions that pods serve',
    note: ({ missing, live }) =>
      `The database does not know ${missing} of ${live} sessions that pods serve: none of these pods is deleted.`,
    report: deps.report,
    metrics,
    logger,
  })

  async function retire(podUids: readonly string[]): Promise<void> {
    if (podUids.length === 0) return
    const retired = new Set(await ledger.retire(podUids, forgottenReason))
    for (const { uid, name, agentType, sessionLabel } of pods.all()) {
      if (!retired.has(uid)) continue
      metrics.podsRetired.inc({ agent_type: agentType, cause: 'forgotten' })
      logger.error({ pod: name, podUid: uid, sessionId: sessionLabel }, `a pod ${forgottenReason}`)
      deps.report('SessionForgotten', `Pod ${name} ${forgottenReason} (${sessionLabel}). The pod is deleted.`)
    }
  }

  return {
    /** One look at all pods that serve sessions. Resolves with the time after which to look again, ms. */
    async reconcile(): Promise<number | undefined> {
      if (!pods.synced()) return undefined
      const seen = pods.all()
      const served = servedPods(seen)
      const unknown = new Set(await ledger.forgotten(served))
      const found = seen.filter(({ uid }) => unknown.has(uid))
      const [over, alive] = [
        found.filter((pod) => endOfSessionOn(pod) !== undefined),
        found.filter((pod) => endOfSessionOn(pod) === undefined),
      ]
      const missing = alive.map(({ uid }) => uid)
      const verdict = guard.judge({ live: served.length, missing, now: monotonicMs() })
      alarm.show(verdict.frozen, { missing: alive.length, live: served.length })
      await retire([...over.map(({ uid }) => uid), ...verdict.end])
      return verdict.againMs
    },

    /** When a leadership begins or ends. */
    reset(): void {
      guard = createAbsenceGuard()
      alarm.reset()
    },
  }
}

export type ForgottenSessions = ReturnType<typeof createForgottenSessions>
