import { until } from '../../bed/processes/until.ts'
import type { Cluster } from './cluster.ts'
import { namespace } from './installation.ts'

/** The replicas behind the Service: which there are, and their replacement by `kubectl rollout restart`. */

const deployment = 'deployment/session-management-server'
/** The grace period of a pod is 30 s; a rollout of three lets one go at a time. */
const goneWithinMs = 240_000

interface PodList {
  readonly items: readonly {
    readonly metadata: { readonly name: string; readonly uid: string; readonly deletionTimestamp?: string }
    readonly status: {
      readonly containerStatuses?: readonly { readonly restartCount: number }[]
    }
  }[]
}

export interface Replica {
  readonly name: string
  readonly uid: string
  readonly restarts: number
}

/** The pods that are not being deleted. */
export async function replicas({ read }: Cluster): Promise<readonly Replica[]> {
  const list = await read<PodList>(['get', 'pods', '-n', namespace, '-l', 'app=session-management-server'])
  return list.items
    .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
    .map(({ metadata: { name, uid }, status }) => ({
      name,
      uid,
      restarts: (status.containerStatuses ?? []).reduce((sum, { restartCount }) => sum + restartCount, 0),
    }))
}

/** Resolves when every replica is a new one and ready. */
export async function rollOut({ run }: Cluster): Promise<void> {
  await run(['rollout', 'restart', deployment, '-n', namespace])
  await run(['rollout', 'status', deployment, '-n', namespace, '--timeout=300s'])
}

/** Resolves when no pod of an older version is left: until then some may still be answering. */
export async function untilOldOnesAreGone({ read }: Cluster, old: readonly Replica[]): Promise<void> {
  const uids = new Set(old.map(({ uid }) => uid))
  const areGone = async () => {
    const list = await read<PodList>(['get', 'pods', '-n', namespace, '-l', 'app=session-management-server'])
    return !list.items.some(({ metadata }) => uids.has(metadata.uid))
  }
  await until('the end of the older pods', areGone, goneWithinMs)
}

/** What migrates, judges and serves is there and ready. */
export async function untilReady({ run }: Cluster): Promise<void> {
  const inTime = '--timeout=240s'
  await run([
    'wait',
    '-n',
    namespace,
    '--for=condition=Complete',
    'job',
    '-l',
    'app=greenroom-migrate',
    inTime,
  ])
  await run(['rollout', 'status', '-n', 'greenroom-system', 'deployment/agent-webhook', inTime])
  await run(['rollout', 'status', '-n', namespace, deployment, inTime])
}

/** Address of the Service inside the cluster. */
export async function clusterUrl({ read }: Cluster): Promise<string> {
  const service = await read<{ spec: { clusterIP: string; ports: { port: number }[] } }>([
    'get',
    'service',
    'session-management-server',
    '-n',
    namespace,
  ])
  return `http://${service.spec.clusterIP}:${service.spec.ports[0]?.port}`
}
