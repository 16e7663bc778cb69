import type { AuditActor } from '../domain/audit.ts'
import type { DocumentView, PodView } from '../domain/cluster-ports.ts'
import type { PoolSpec, PoolsDocument } from '../domain/pool.ts'
import { type ObservedPool, observePool, type SlotView } from '../domain/pool-observation.ts'
import type { PoolRevisions } from '../domain/pool-ports.ts'
import type { PoolRevision } from '../domain/pool-revision.ts'
import { judgeCanary, type Rollout, rolloutOf } from '../domain/rollout-phases.ts'
import type { RevisionReport, RolloutReport } from '../domain/rollout-report.ts'
import type { ClaimLedger } from '../domain/session-ports.ts'
import { templateHash } from '../domain/slot-pod.ts'
import { GreenroomError } from '../errors.ts'

interface SteerRolloutDeps {
  readonly pools: Pick<DocumentView<PoolsDocument>, 'current'>
  readonly pods: Pick<PodView, 'byPool'>
  readonly ledger: Pick<ClaimLedger, 'claimsOf'>
  readonly revisions: PoolRevisions
  /** Epoch ms. */
  readonly clock: () => number
}

/** Reads and orders roll-outs. An order is a row in PostgreSQL; the controller obeys it within seconds. */
export function createSteerRollout({ pools, pods, ledger, revisions, clock }: SteerRolloutDeps) {
  function specOf(agentType: string): PoolSpec {
    const all = pools.current()?.pools ?? {}
    const spec = Object.hasOwn(all, agentType) ? all[agentType] : undefined
    if (spec) return spec
    throw new GreenroomError('GRN_UNKNOWN_AGENT_TYPE', `There is no pool of "${agentType.slice(0, 64)}".`)
  }

  async function observe(agentType: string, { main, isDrifted }: Rollout): Promise<ObservedPool> {
    const seen = pods.byPool(agentType)
    const claims = await ledger.claimsOf(seen.map((pod) => pod.uid))
    return observePool({ agentType, pods: seen, claims, templateHash: main.templateHash, isDrifted })
  }

  async function read(agentType: string): Promise<RolloutReport> {
    const spec = specOf(agentType)
    const kept = await revisions.read(agentType)
    const [current] = kept.revisions
    if (!current) throw new GreenroomError('GRN_ROLLOUT_UNKNOWN')
    const now = clock()
    const rollout = rolloutOf({ spec: spec.rollout, current, ...kept, now })
    const { slots } = await observe(agentType, rollout)
    const drifted = countsOf(slots.filter((slot) => slot.drifted))
    const isDone = ['rolling', 'undone'].includes(rollout.phase) && drifted.idle === 0
    const isSeen = templateHash(agentType, spec) === current.templateHash
    const phase = isDone && isSeen && rollout.phase !== 'undone' ? 'done' : rollout.phase
    return {
      agentType,
      phase,
      message: isSeen ? sentences[phase](current) : 'The controller has not seen the changed document yet.',
      current: revisionReport(current),
      target: { templateHash: rollout.main.templateHash, image: rollout.main.shape.template.image },
      pods: { fresh: countsOf(slots.filter((slot) => !slot.drifted)), drifted },
      canary: rollout.canary && {
        ...rollout.canary,
        passed: judgeCanary(rollout, slots, now).passed,
      },
      revisions: kept.revisions.map(revisionReport),
    }
  }

  return {
    read,

    async pause(agentType: string, by: AuditActor): Promise<RolloutReport> {
      specOf(agentType)
      await revisions.order(agentType, { kind: 'pause' }, by)
      return read(agentType)
    },

    async resume(agentType: string, by: AuditActor): Promise<RolloutReport> {
      specOf(agentType)
      await revisions.order(agentType, { kind: 'resume' }, by)
      return read(agentType)
    },

    /** Back to the latest good template before, until the document has another one than now. */
    async undo(agentType: string, by: AuditActor): Promise<RolloutReport> {
      const undoneHash = templateHash(agentType, specOf(agentType))
      const kept = await revisions.read(agentType)
      const before = kept.revisions.find((one) => one.verdict === 'good' && one.templateHash !== undoneHash)
      if (!before) throw new GreenroomError('GRN_NOTHING_TO_UNDO')
      const order = { kind: 'undo', undoneHash, pinnedHash: before.templateHash } as const
      await revisions.order(agentType, order, by)
      return read(agentType)
    },
  }
}

export type SteerRollout = ReturnType<typeof createSteerRollout>

const sentences: Readonly<Record<RolloutReport['phase'], (current: PoolRevision) => string>> = {
  done: () => 'Every idle pod is of the current revision.',
  rolling: () => 'Idle pods of earlier revisions are being replaced.',
  canary: () => 'Canary pods are on trial; nothing else is replaced yet.',
  stopped: ({ reason = 'a canary pod failed' }) =>
    `The canary failed: ${reason}. New pods are made from the last good template.`,
  paused: () => 'Paused: no pod is replaced.',
  undone: () => 'Undone: pods are made from the template before, until that of the document changes.',
}

function countsOf(slots: readonly SlotView[]): { idle: number; claimed: number } {
  const idle = slots.filter(({ state }) => state === 'ready' || state === 'warming').length
  return { idle, claimed: slots.filter(({ state }) => state === 'claimed').length }
}

function revisionReport({ shape, currentSince, ...rest }: PoolRevision): RevisionReport {
  const { revision, templateHash: hash, policyDigest, assignKeyId, verdict, reason } = rest
  const since = new Date(currentSince).toISOString()
  const { image } = shape.template
  return { revision, image, templateHash: hash, policyDigest, assignKeyId, since, verdict, reason }
}
