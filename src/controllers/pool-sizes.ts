import { amountsOfRow, effectiveRow } from '../admission/policy/effective-row.ts'
import type { PolicyDocument } from '../admission/policy/policy-document.ts'
import type { DocumentView, PodView } from '../domain/cluster-ports.ts'
import { type Amounts, less, noResources, type PodResources, plus } from '../domain/pod-resources.ts'

/** What a pod of a pool takes. */
export interface PoolSize {
  /** Of a quota, in the end. */
  readonly size: PodResources
  /** Of its node while it is idle. */
  readonly idleRequests: Amounts
  /** What the pods that are there take less than `size`, all together. */
  readonly owed: PodResources
  readonly priorityClassName: string | undefined
}

interface PoolSizesDeps {
  readonly policy: Pick<DocumentView<PolicyDocument>, 'current'>
  readonly pods: Pick<PodView, 'byPool'>
}

/**
 * The agent's row, and what others add to the pods of this pool: a mesh's sidecar, the overhead of a RuntimeClass. The
 * newest pod shows the latter, so a pool without pods counts its agent alone. Pods whose row says `thin` count in full:
 * what a quota could not hold at full size is not made, so a claimed pod can always grow.
 */
export function createPoolSizes({ policy, pods }: PoolSizesDeps) {
  return (agentType: string): PoolSize | undefined => {
    const document = policy.current()
    const row = document && effectiveRow(agentType, document)
    if (!row) return undefined
    const present = pods.byPool(agentType)
    const [newest] = [...present].sort((a, b) => b.createdAt - a.createdAt)
    const beside = newest?.besideAgent ?? noResources
    const full = amountsOfRow(row.resources)
    const living = row.idle ? present.filter(({ deadReason }) => deadReason === undefined) : []
    return {
      size: plus(full, beside),
      idleRequests: plus(amountsOfRow(row.idle ?? row.resources), beside).requests,
      owed: living.map(({ agentTakes = full }) => less(full, agentTakes)).reduce(plus, noResources),
      priorityClassName: row.priorityClassName,
    }
  }
}

export type PoolSizes = ReturnType<typeof createPoolSizes>
