import { unlessMissing } from '../cluster/kube-api-error.ts'
import type { KubeClients } from '../cluster/kube-clients.ts'
import type { PodInformer } from '../cluster/pod-informer.ts'
import type { Config } from '../config.ts'
import type { DocumentView } from '../domain/cluster-ports.ts'
import { controllerLeaseName } from '../domain/names.ts'
import type { PoolsDocument } from '../domain/pool.ts'
import type { ReadPools } from '../sessions/read-pools.ts'
import { createReadStatus, type ReadStatus } from '../sessions/read-status.ts'
import type { liveKitOf } from './live-kit.ts'
import { createStatusProbes } from './status-probes.ts'
import type { Stores } from './stores.ts'
import type { AskReplicas } from './webhook-replicas.ts'

interface StatusReadingDeps {
  readonly stores: Stores
  readonly pods: PodInformer
  readonly pools: DocumentView<PoolsDocument>
  readonly coordination: Pick<KubeClients['coordination'], 'readNamespacedLease'>
  readonly liveKit: ReturnType<typeof liveKitOf>
  readonly askWebhooks: AskReplicas | undefined
  readonly indexIsWell: () => boolean
  readonly readPools: ReadPools
}

/** GET /v1/status of one API replica. */
export function createStatusReading(
  { GREENROOM_NAMESPACE: namespace }: Pick<Config<'api'>, 'GREENROOM_NAMESPACE'>,
  deps: StatusReadingDeps,
): ReadStatus {
  const { stores, pools, coordination, liveKit } = deps
  const clock = () => Date.now()
  return createReadStatus({
    probes: createStatusProbes({
      ...deps,
      askLiveKit: liveKit && (() => liveKit.service.ping()),
      readLease: () =>
        unlessMissing(coordination.readNamespacedLease({ name: controllerLeaseName, namespace })),
      clock,
    }),
    readPools: deps.readPools,
    readLeader: () => stores.leaderReports.read(),
    countSessions: stores.countLiveSessions,
    poolCount: () => Object.keys(pools.current()?.pools ?? {}).length,
    namespace,
    clock,
  })
}
