import { unlessMissing } from '../cluster/kube-api-error.ts'
import type { KubeClients } from '../cluster/kube-clients.ts'
import type { PodInformer } from '../cluster/pod-informer.ts'
import type { Config } from '../config.ts'
import type { DocumentView } from '../domain/cluster-ports.ts'
import { controllerLeaseName } from '../domain/names.ts'
import type { PoolsDocument } from '../domain/pool.ts'
import { createReadAdmission } from '../sessions/read-admission.ts'
import { createReadPoolHistory } from '../sessions/read-pool-history.ts'
import type { ReadPools } from '../sessions/read-pools.ts'
import { createReadStatus } from '../sessions/read-status.ts'
import type { AdmissionHour } from '../webhook/admission-hour.ts'
import type { liveKitOf } from './live-kit.ts'
import { createStatusProbes } from './status-probes.ts'
import type { Stores } from './stores.ts'
import { createWebhookReplicas } from './webhook-replicas.ts'

type StatusConfig = Pick<Config<'api'>, 'GREENROOM_NAMESPACE' | 'GREENROOM_WEBHOOK_OPS_URL'>

interface StatusReadingDeps {
  readonly stores: Stores
  readonly pods: PodInformer
  readonly pools: DocumentView<PoolsDocument>
  readonly coordination: Pick<KubeClients['coordination'], 'readNamespacedLease'>
  readonly liveKit: ReturnType<typeof liveKitOf>
  readonly indexIsWell: () => boolean
  readonly readPools: ReadPools
}

/** What operators ask one API replica for: the status, what admission did, and the courses of pools and sessions. */
export function createStatusReading(config: StatusConfig, deps: StatusReadingDeps) {
  const { GREENROOM_NAMESPACE: namespace, GREENROOM_WEBHOOK_OPS_URL: opsUrl } = config
  const { stores, pods, pools, coordination, liveKit } = deps
  const clock = () => Date.now()
  const readLeader = () => stores.leaderReports.read()
  const askWebhooks = opsUrl === undefined ? undefined : createWebhookReplicas(opsUrl)
  return {
    readStatus: createReadStatus({
      probes: createStatusProbes({
        ...deps,
        askLiveKit: liveKit && (() => liveKit.service.ping()),
        askWebhooks,
        readLease: () =>
          unlessMissing(coordination.readNamespacedLease({ name: controllerLeaseName, namespace })),
        clock,
      }),
      readPools: deps.readPools,
      readLeader,
      countSessions: stores.countLiveSessions,
      poolCount: () => Object.keys(pools.current()?.pools ?? {}).length,
      namespace,
      clock,
    }),
    readAdmission: createReadAdmission({
      askReplicas:
        askWebhooks &&
        (async (signal) =>
          (await askWebhooks<AdmissionHour>('/admission', signal)).map(({ answer }) => answer)),
      readLeader,
      clock,
    }),
    readPoolHistory: createReadPoolHistory({ history: stores.poolHistory, pools, pods }),
    timelines: stores.timelines,
  }
}
