import { createFindingNotes } from '../controllers/finding-notes.ts'
import { createPoolHistoryNotes } from '../controllers/pool-history-notes.ts'
import type { DocumentStatus } from '../domain/document-status.ts'
import type { RoleContext } from './role.ts'
import type { Stores } from './stores.ts'

interface LeaderNotesDeps extends Pick<RoleContext, 'metrics' | 'logger' | 'instance'> {
  readonly stores: Pick<Stores, 'leaderReports' | 'poolHistory' | 'index'>
  readonly pools: { status(): DocumentStatus }
  readonly policy: { status(): DocumentStatus }
}

/** What the leader writes down for those who ask any replica: what it found, and how each pool was. */
export function createLeaderNotes({ stores, instance, pools, policy, metrics, logger }: LeaderNotesDeps) {
  const now = () => Date.now()
  const findings = createFindingNotes({
    reports: stores.leaderReports,
    leader: instance,
    documents: () => ({ pools: pools.status(), policy: policy.status() }),
    metrics,
    logger,
    now,
  })
  const history = createPoolHistoryNotes({
    history: stores.poolHistory,
    index: stores.index,
    metrics,
    logger,
    now,
  })
  return {
    async run(signal: AbortSignal): Promise<void> {
      await Promise.all([findings.run(signal), history.run(signal)])
    },
  }
}
