import type { PolicyDocument } from '../admission/policy/policy-document.ts'
import { assignKeysFrom } from '../admission/policy/public-assign-keys.ts'
import type { DocumentWatch } from '../cluster/document-watch.ts'
import type { KubeTransport } from '../cluster/kube-transport.ts'
import { livePods } from '../cluster/live-pods.ts'
import type { PodInformer } from '../cluster/pod-informer.ts'
import { createBacklogWatch } from '../controllers/backlog-watch.ts'
import { createDriftWatch } from '../controllers/drift-watch.ts'
import { createInvariantWatch } from '../controllers/invariant-watch.ts'
import type { AgentPod } from '../domain/agent-pod.ts'
import type { DocumentView } from '../domain/cluster-ports.ts'
import type { PoolsDocument } from '../domain/pool.ts'
import { GreenroomError } from '../errors.ts'
import { pause } from '../timing/pause.ts'
import type { RoleContext } from './role.ts'
import type { Stores } from './stores.ts'

interface LeaderChecksOptions extends Pick<RoleContext, 'metrics' | 'logger'> {
  readonly transport: KubeTransport
  readonly namespace: string
  readonly pods: PodInformer
  readonly pools: DocumentView<PoolsDocument>
  readonly policy: DocumentWatch<PolicyDocument>
  readonly assignKeys: Pick<DocumentWatch<string>, 'current' | 'synced'>
  readonly stores: Pick<Stores, 'backlog' | 'ledgerReader' | 'indexReader'>
}

/**
 * What the leader looks for and changes nothing about: broken invariants, pods that admission would make otherwise now, and
 * what is under way.
 */
export function createLeaderChecks(options: LeaderChecksOptions) {
  const { transport, namespace, pods, pools, policy, assignKeys, stores, metrics, logger } = options
  const invariants = createInvariantWatch({
    sources: {
      pods: async () => currentPods(pods),
      ledger: stores.ledgerReader,
      index: stores.indexReader,
      agentTypes: (seen) => [
        ...new Set([...Object.keys(pools.current()?.pools ?? {}), ...seen.map((pod) => pod.agentType)]),
      ],
    },
    metrics,
    logger,
    now: () => Date.now(),
  })
  const drift = createDriftWatch({
    namespace,
    pods: () => livePods(transport, namespace),
    context: () => {
      const document = policy.current()
      // Without the current keys every pod would seem to have drifted.
      if (!document || !assignKeys.synced()) return undefined
      return { policy: document, assignKeys: assignKeysFrom(assignKeys.current() ?? '') }
    },
    metrics,
    logger,
    now: () => performance.now(),
    pause,
  })
  const backlog = createBacklogWatch({ backlog: stores.backlog, metrics, logger })
  return {
    async run(signal: AbortSignal): Promise<void> {
      await Promise.all([invariants.run(signal), drift.run(signal), backlog.run(signal)])
    },
  }
}

/** The informer's pods while it hears from the API server. An old view would report invariants that are not broken. */
function currentPods(pods: PodInformer): readonly AgentPod[] {
  if (pods.synced() && pods.staleSince() === undefined) return pods.all()
  throw new GreenroomError('GRN_KUBERNETES_UNAVAILABLE')
}
