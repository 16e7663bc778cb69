import { type AgentPod, endOfSessionOn } from '../domain/agent-pod.ts'
import type { PodView, PodWriter } from '../domain/cluster-ports.ts'
import { failedStartReason } from '../domain/kept-failures.ts'
import type { ObservedPool, SlotView } from '../domain/pool-observation.ts'
import { originFault } from '../domain/pool-pod.ts'
import type { ClaimLedger } from '../domain/session-ports.ts'
import type { Metrics } from '../metrics.ts'
import type { AgentRemovals } from './agent-removals.ts'
import { allDone } from './all-done.ts'
import type { IndexSync } from './index-sync.ts'
import type { PodDeaths } from './pod-deaths.ts'
import type { PoolRecord } from './pool-creates.ts'
import type { RecentWrites } from './recent-writes.ts'

interface PoolRemovalsDeps {
  readonly pods: Pick<PodView, 'get'>
  readonly ledger: Pick<ClaimLedger, 'retire'>
  readonly writer: Pick<PodWriter, 'delete' | 'labelClaimed'>
  readonly recentWrites: RecentWrites
  readonly indexSync: Pick<IndexSync, 'drop'>
  readonly podDeaths: Pick<PodDeaths, 'end'>
  readonly agentRemovals: Pick<AgentRemovals, 'note'>
  readonly metrics: Metrics
  /** Epoch ms. */
  readonly now: () => number
}

type Retiring = Pick<PoolRecord, 'agentType' | 'expectations'>

interface Seen {
  readonly observed: ObservedPool
  /** Failed pods that stay for a look. They are retired and not deleted. */
  readonly kept: ReadonlySet<string>
}

/** Takes pods of a pool out of service, and does what follows from claims: labels, ends, deletions. */
export function createPoolRemovals(deps: PoolRemovalsDeps) {
  const { pods, ledger, writer, recentWrites, indexSync, podDeaths, agentRemovals, metrics, now } = deps

  /** The claim of a retired pod says why, so pods that others made or changed are retired by themselves. */
  async function retire(
    record: Retiring,
    planned: readonly string[],
    { observed, kept }: Seen,
  ): Promise<void> {
    const podUids = [...foreignIn(observed, record.expectations.pendingRemovals()), ...planned]
    const slots = new Map(observed.slots.map((slot) => [slot.podUid, slot]))
    const byReason = Map.groupBy(podUids, (podUid) => reasonToRetire(slots.get(podUid)))
    await allDone([...byReason].map(([reason, uids]) => claimAndRemove(record, uids, { reason, kept })))
  }

  /** Retiring is a claim, so a pod that a session took meanwhile is left alone. */
  async function claimAndRemove(
    { agentType, expectations }: Retiring,
    podUids: readonly string[],
    { reason, kept }: { readonly reason: string; readonly kept: ReadonlySet<string> },
  ): Promise<void> {
    for (const podUid of podUids) expectations.removalSent(podUid, now())
    const retired = new Set(
      await ledger.retire(podUids, reason).catch((error: unknown) => {
        for (const podUid of podUids) expectations.removalFailed(podUid)
        throw error
      }),
    )
    for (const podUid of podUids)
      if (!retired.has(podUid) || kept.has(podUid)) expectations.removalFailed(podUid)
    await indexSync.drop(agentType, [...retired])
    metrics.podsRetired.inc({ agent_type: agentType, cause: 'plan' }, retired.size)
    await allDone([...retired].filter((podUid) => !kept.has(podUid)).map((podUid) => remove(podUid)))
  }

  async function remove(podUid: string): Promise<void> {
    const pod = pods.get(podUid)
    if (pod) await recentWrites.once(`delete ${podUid}`, () => writer.delete(pod))
  }

  /** Labels claimed pods, ends sessions on dead pods, notes agents of failed attempts, deletes pods without further use. */
  async function tidy(
    { slots }: ObservedPool,
    { seen, kept }: { readonly seen: readonly AgentPod[]; readonly kept: ReadonlySet<string> },
  ): Promise<void> {
    const reasons = new Map(seen.map((pod) => [pod.uid, endOfSessionOn(pod)]))
    const live = slots.filter(holdsLiveSession)
    for (const { claim } of slots) {
      const { purpose, sessionId, epoch } = claim ?? {}
      if (purpose === 'retired' && sessionId !== undefined && epoch !== undefined)
        agentRemovals.note({ sessionId, epoch })
    }
    const deaths = live.flatMap(({ podUid, claim }) => {
      const reason = reasons.get(podUid)
      return reason ? [{ podUid, reason, status: claim?.sessionStatus }] : []
    })
    await allDone([
      podDeaths.end(deaths),
      ...live.filter(({ podUid }) => !reasons.get(podUid)).map((slot) => labelClaimed(slot)),
      ...slots
        .filter((slot) => isLeftOver(slot) && !kept.has(slot.podUid))
        .map((slot) => remove(slot.podUid)),
    ])
  }

  async function labelClaimed(slot: SlotView): Promise<void> {
    const pod = pods.get(slot.podUid)
    const sessionId = slot.claim?.sessionId
    if (!pod || sessionId === undefined || pod.sessionLabel === sessionId) return
    await recentWrites.once(`label ${pod.uid}`, () => writer.labelClaimed(pod, sessionId))
  }

  return { retire, tidy }
}

/** Pods of others that are not retired yet. They go whatever the plan is, also from a frozen pool. */
function foreignIn({ slots }: ObservedPool, pendingRemovals: ReadonlySet<string>): string[] {
  return slots
    .filter(
      ({ origin, claim, forgotten, podUid }) =>
        origin === 'foreign' && !claim && !forgotten && !pendingRemovals.has(podUid),
    )
    .map(({ podUid }) => podUid)
}

/** What the claim of a retired pod says. */
function reasonToRetire(slot: SlotView | undefined): string {
  const fault = slot && originFault(slot.origin)
  if (fault) return fault
  return slot?.state === 'failed' ? failedStartReason(slot) : 'surplus or replaced'
}

function holdsLiveSession({ claim }: SlotView): boolean {
  return (
    claim?.purpose === 'session' && (claim.sessionStatus === 'PENDING' || claim.sessionStatus === 'ACTIVE')
  )
}

/** Retired, or claimed by a session that is over or does not exist. The session reconciler takes care of ENDING ones. */
function isLeftOver(slot: SlotView): boolean {
  const { claim, deletingSince } = slot
  if (!claim || deletingSince !== undefined) return false
  return claim.purpose === 'retired' || (!holdsLiveSession(slot) && claim.sessionStatus !== 'ENDING')
}
