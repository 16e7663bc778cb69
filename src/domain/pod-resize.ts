import type { V1PodStatus } from '@kubernetes/client-node'
import { withoutSecrets } from './plain-message.ts'

/**
 * What the kubelet says of a resize that is not done: `deferred` until its node has room, `infeasible` on this node at all
 * (too large, or a policy of the node forbids it), or `in-progress`.
 */
export interface PodResize {
  readonly state: 'deferred' | 'infeasible' | 'in-progress'
  readonly message: string
}

export function podResizeOf({ conditions = [] }: V1PodStatus): PodResize | undefined {
  const of = (type: string) => conditions.find((one) => one.type === type && one.status === 'True')
  const pending = of('PodResizePending')
  const told = pending ?? of('PodResizeInProgress')
  if (!told) return undefined
  const state = !pending ? 'in-progress' : pending.reason === 'Infeasible' ? 'infeasible' : 'deferred'
  return { state, message: withoutSecrets(told.message ?? told.reason ?? '') }
}
