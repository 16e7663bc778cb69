import {
  ApiException,
  CoreV1Api,
  type V1Container,
  type V1Pod,
  type V1PodSpec,
} from '@kubernetes/client-node'
import type { Test } from 'tap'
import type { KubeletEvent } from '../../../bed/kubelet/kubelet-event.ts'
import { startProcessKubelet } from '../../../bed/kubelet/process-kubelet.ts'
import { temporaryFolder } from '../../../bed/processes/temporary-folder.ts'
import { until } from '../../../bed/processes/until.ts'
import { startControlPlane } from '../../../bed/servers/control-plane.ts'

/** The API server, a process kubelet on it, and pods of one container whose program does as its environment says. */

export const imageFolder = import.meta.dirname
export const namespace = 'default'
const program = ['node', 'test-image.ts']

export async function startKubeletBed(t: Test, name: string) {
  const folder = await temporaryFolder(name)
  const plane = await startControlPlane({ folder: folder.path })
  const events: KubeletEvent[] = []
  const kubelet = await startProcessKubelet({
    kubeconfigPath: plane.kubeconfigPath,
    images: { 'test-image': { workingDir: imageFolder }, 'root-image': { workingDir: imageFolder, user: 0 } },
    folder: folder.path,
    restartBackoffMs: 100,
    onEvent: (event) => events.push(event),
  })
  t.teardown(async () => {
    await kubelet.stop()
    await plane.stop()
    await folder.remove()
  })
  const api = plane.admin().makeApiClient(CoreV1Api)
  return { folder, plane, events, kubelet, api, ...podsOf(api) }
}

function podsOf(api: CoreV1Api) {
  const read = async ({ metadata }: V1Pod): Promise<V1Pod | undefined> => {
    try {
      const pod = await api.readNamespacedPod({ namespace, name: metadata?.name ?? '' })
      return pod.metadata?.uid === metadata?.uid ? pod : undefined
    } catch (error) {
      if (error instanceof ApiException && error.code === 404) return undefined
      throw error
    }
  }
  const untilPod = (pod: V1Pod, what: string, check: (pod: V1Pod) => boolean | undefined): Promise<V1Pod> =>
    until(`pod ${pod.metadata?.name}: ${what}`, async () => {
      const now = await read(pod)
      return now && check(now) ? now : undefined
    })
  return {
    create: (container: Partial<V1Container>, spec: Partial<V1PodSpec> = {}): Promise<V1Pod> =>
      api.createNamespacedPod({
        namespace,
        body: {
          metadata: { generateName: 'p-', labels: { colour: 'green' }, annotations: { note: 'hello' } },
          spec: {
            restartPolicy: 'Never',
            automountServiceAccountToken: false,
            containers: [{ name: 'agent', image: 'test-image', command: program, ...container }],
            ...spec,
          },
        },
      }),
    remove: async (pod: V1Pod, gracePeriodSeconds?: number): Promise<void> => {
      await api.deleteNamespacedPod({
        namespace,
        name: pod.metadata?.name ?? '',
        ...(gracePeriodSeconds !== undefined && { gracePeriodSeconds }),
      })
    },
    untilPod,
    untilReady: (pod: V1Pod) => untilPod(pod, 'Ready', (now) => conditionOf(now, 'Ready') === 'True'),
    untilWaiting: (pod: V1Pod, reason: string) =>
      untilPod(pod, reason, (now) => agentOf(now)?.state?.waiting?.reason === reason),
    untilGone: (pod: V1Pod) => until(`${pod.metadata?.name} is gone`, async () => !(await read(pod))),
  }
}

export const http = (path: string) => ({ httpGet: { path, port: 8080 }, periodSeconds: 1 })

export const conditionOf = (pod: V1Pod | undefined, type: string) =>
  pod?.status?.conditions?.find((condition) => condition.type === type)?.status
export const agentOf = (pod: V1Pod) => pod.status?.containerStatuses?.[0]
