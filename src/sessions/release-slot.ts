import type { SlotIndex, WakeBus } from '../domain/index-ports.ts'
import type { CommitOutcome } from '../domain/session-ports.ts'
import type { Metrics } from '../metrics.ts'
import type { Opening } from './opening.ts'
import type { SlotCandidates } from './slot-candidates.ts'

interface ReleaseSlotDeps {
  readonly index: SlotIndex
  readonly candidates: SlotCandidates
  readonly wakes: WakeBus
  readonly metrics: Pick<Metrics, 'proposalsRefused'>
}

/** After a commit: the slot is claimed, dropped or given back. Without an outcome nobody knows whether it was claimed. */
export function createReleaseSlot({ index, candidates, wakes, metrics }: ReleaseSlotDeps) {
  return async function releaseSlot(
    { request: { agentType }, identity: { id } }: Opening,
    podUid: string,
    outcome: CommitOutcome | undefined,
  ): Promise<void> {
    const refused = outcome?.kind === 'pod-taken' || outcome?.kind === 'pod-not-noted'
    const taken = outcome?.kind === 'pod-taken' || isHeldBy(outcome, podUid)
    // A pod without a note may get it yet: the controller writes it when PostgreSQL is back.
    candidates.release(podUid, taken)
    // A commit of unknown outcome may have claimed the slot: to give it back costs somebody one attempt at most.
    if (!taken && !refused) return await index.giveBack(agentType, id, podUid)
    // The reservation goes, so that its lapse does not bring the slot back.
    void index.settle(agentType, id, podUid)
    if (refused) {
      metrics.proposalsRefused.inc({ agent_type: agentType, cause: outcome.kind.replace('pod-', '') })
      void index.drop(agentType, [podUid])
    }
    if (outcome?.kind === 'committed') wakes.publish({ kind: 'claimed', agentType })
  }
}

export type ReleaseSlot = ReturnType<typeof createReleaseSlot>

/** True also when another replica has committed this very pod for the same key a moment ago. */
function isHeldBy(outcome: CommitOutcome | undefined, podUid: string): boolean {
  if (outcome?.kind === 'committed') return true
  return outcome?.kind === 'session-exists' && outcome.session.pod?.uid === podUid
}
