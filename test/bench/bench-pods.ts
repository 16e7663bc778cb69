import type { V1Pod } from '@kubernetes/client-node'
import { type KubeApi, strategicMergePatch } from '../../bed/kubelet/kube-api.ts'
import { specDigest } from '../../src/cluster/spec-digest.ts'
import { annotation } from '../../src/domain/names.ts'
import type { PoolSpec } from '../../src/domain/pool.ts'
import { slotPod } from '../../src/domain/slot-pod.ts'
import { namespace } from './bench-bed.ts'

export interface BenchPod {
  readonly uid: string
  readonly name: string
  readonly ip: string
}

/** `specDigest`: of the pod as its create was answered, as the controller notes it. */
type CreatedPod = BenchPod & { readonly specDigest: string }

interface CreatePods {
  readonly kube: KubeApi
  readonly addresses: readonly string[]
  readonly assignKeyIds: readonly string[]
  readonly agentType: string
  /** Given where a controller looks at the pods. */
  readonly spec?: Pick<PoolSpec, 'template'>
  readonly policyDigest?: string
}

/** More at once do not make the API server faster on two cores. */
const atOnce = 32

/** Ready pods of the pool, one for each address, without controller, webhook and kubelet: their objects are all there is. */
export async function createReadyPods({
  kube,
  addresses,
  ...rest
}: CreatePods): Promise<readonly CreatedPod[]> {
  const pods: CreatedPod[] = []
  const queue = [...addresses]
  const work = async () => {
    for (let ip = queue.pop(); ip !== undefined; ip = queue.pop())
      pods.push(await createReady(kube, ip, rest))
  }
  await Promise.all(Array.from({ length: atOnce }, work))
  return pods
}

/** Where no controller is, nobody looks at the rest of the specification. */
const anySpec = { template: { image: 'greenroom:0.1.0' } }

async function createReady(
  kube: KubeApi,
  ip: string,
  { agentType, assignKeyIds, spec = anySpec, policyDigest }: Omit<CreatePods, 'kube' | 'addresses'>,
): Promise<CreatedPod> {
  const pod = slotPod(agentType, spec as PoolSpec, { namespace })
  const annotations = {
    ...pod.metadata?.annotations,
    [annotation.assignKeyIds]: assignKeyIds.join(','),
    ...(policyDigest !== undefined && { [annotation.policyDigest]: policyDigest }),
  }
  const containers = pod.spec?.containers.map(restricted)
  const body = Object.assign(pod, {
    metadata: Object.assign(pod.metadata ?? {}, { annotations }),
    spec: Object.assign(pod.spec ?? {}, { nodeName: 'bench', containers, ...restrictedPod }),
  })
  const created = await kube.send({ method: 'POST', path: podsPath, body })
  if (created.status !== 201)
    throw new Error(`creating a pod: HTTP ${created.status} ${JSON.stringify(created.body)}`)
  const { uid = '', name = '' } = (created.body as V1Pod).metadata ?? {}
  await patchReady(kube, { uid, name, ip })
  return { uid, name, ip, specDigest: specDigest(created.body as V1Pod) }
}

export const podsPathOf = (namespace: string) => `/api/v1/namespaces/${namespace}/pods`
const podsPath = podsPathOf(namespace)

/** What the webhook would add; the namespace admits nothing else. */
const restrictedPod = { securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } } }
function restricted(container: object): object {
  return {
    ...container,
    securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
  }
}

/** The status that a kubelet writes when the agent's readiness probe has succeeded. False if the pod is gone. */
export async function patchReady(
  kube: KubeApi,
  { uid, name, ip }: BenchPod,
  path = podsPath,
): Promise<boolean> {
  const now = `${new Date().toISOString().slice(0, 19)}Z`
  const condition = (type: string) => ({ type, status: 'True', lastTransitionTime: now })
  const status = {
    phase: 'Running',
    podIP: ip,
    podIPs: [{ ip }],
    hostIP: '127.0.0.1',
    startTime: now,
    conditions: ['PodScheduled', 'Initialized', 'ContainersReady', 'Ready'].map(condition),
    containerStatuses: [
      {
        name: 'agent',
        image: 'greenroom:0.1.0',
        imageID: 'bench://greenroom',
        containerID: `bench://${uid}`,
        restartCount: 0,
        ready: true,
        started: true,
        state: { running: { startedAt: now } },
        lastState: {},
      },
    ],
  }
  const answer = await kube.send({
    method: 'PATCH',
    path: `${path}/${name}/status`,
    body: { metadata: { uid }, status },
    contentType: strategicMergePatch,
  })
  if (answer.status === 404 || answer.status === 409) return false
  if (answer.status !== 200)
    throw new Error(`status of ${name}: HTTP ${answer.status} ${JSON.stringify(answer.body)}`)
  return true
}
