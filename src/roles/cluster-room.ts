import type { PolicyDocument } from '../admission/policy/policy-document.ts'
import type { DocumentWatch } from '../cluster/document-watch.ts'
import type { KubeTransport } from '../cluster/kube-transport.ts'
import { createLimitRangeWatch } from '../cluster/limit-range-watch.ts'
import { createPendingPodWatch } from '../cluster/pending-pod-watch.ts'
import { createQuotaWatch } from '../cluster/quota-watch.ts'
import { hasMoreRoom } from '../controllers/quota-room.ts'
import { createReliefs } from '../controllers/relief.ts'
import type { Logger } from '../logging.ts'

interface ClusterRoomOptions {
  readonly transport: KubeTransport
  readonly namespace: string
  readonly policy: Pick<DocumentWatch<PolicyDocument>, 'onChange'>
  readonly logger: Logger
}

/** What bounds the pods of the namespace from outside, and who is told when a bound that refused a create gives way. */
export function watchClusterRoom({ policy, ...where }: ClusterRoomOptions) {
  const reliefs = createReliefs()
  policy.onChange(() => reliefs.tell('policy'))
  const quotas = createQuotaWatch({
    ...where,
    onChange: (before, after) => {
      if (hasMoreRoom(before, after)) reliefs.tell('quota')
    },
  })
  const limitRanges = createLimitRangeWatch({ ...where, onChange: () => reliefs.tell('limit-range') })
  return { reliefs, quotas, limitRanges, pendingPods: createPendingPodWatch(where) }
}
