import { availableParallelism, totalmem } from 'node:os'
import type { V1Node } from '@kubernetes/client-node'
import { type KubeApi, KubeApiError, strategicMergePatch } from './kube-api.ts'

interface NodeDescription {
  readonly name: string
  readonly address: string
}

/** What a scheduler or a nodeSelector may look for. */
function nodeLabels(name: string): Readonly<Record<string, string>> {
  return {
    'kubernetes.io/hostname': name,
    'kubernetes.io/os': 'linux',
    'kubernetes.io/arch': process.arch === 'x64' ? 'amd64' : process.arch,
    'workload-type': 'ai-agents',
  }
}

/** Creates the node, or takes it over from an earlier kubelet, and makes it Ready. */
export async function registerNode(api: KubeApi, { name, address }: NodeDescription): Promise<V1Node> {
  const metadata = { name, labels: nodeLabels(name) }
  const created = await api.send({
    method: 'POST',
    path: '/api/v1/nodes',
    body: { apiVersion: 'v1', kind: 'Node', metadata },
  })
  if (created.status >= 300 && created.status !== 409) {
    throw new KubeApiError('creating the node', created.status, JSON.stringify(created.body))
  }
  const path = `/api/v1/nodes/${name}`
  // The API server taints a new node not-ready; the node controller, which takes that away, does not run here.
  await patch(api, path, { metadata, spec: { taints: null } })
  const resources = {
    cpu: String(availableParallelism()),
    memory: `${Math.floor(totalmem() / 1024)}Ki`,
    pods: '1000',
  }
  const now = new Date().toISOString()
  return patch(api, `${path}/status`, {
    status: {
      addresses: [
        { type: 'InternalIP', address },
        { type: 'Hostname', address: name },
      ],
      capacity: resources,
      allocatable: resources,
      conditions: [
        {
          type: 'Ready',
          status: 'True',
          reason: 'ProcessKubelet',
          lastHeartbeatTime: now,
          lastTransitionTime: now,
        },
      ],
      nodeInfo: {
        architecture: process.arch,
        bootID: '',
        containerRuntimeVersion: 'process://1',
        kernelVersion: '',
        kubeProxyVersion: '',
        kubeletVersion: 'process-kubelet',
        machineID: '',
        operatingSystem: 'linux',
        osImage: '',
        systemUUID: '',
      },
    },
  })
}

async function patch(api: KubeApi, path: string, body: unknown): Promise<V1Node> {
  const answer = await api.send({ method: 'PATCH', path, body, contentType: strategicMergePatch })
  if (answer.status !== 200)
    throw new KubeApiError(`patching ${path}`, answer.status, JSON.stringify(answer.body))
  return answer.body as V1Node
}
