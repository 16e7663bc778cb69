import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { pipeline } from 'node:stream/promises'
import { type KubeAccess, loadKubeAccess } from '../../cluster/kube-access.ts'
import { hasStatus } from '../../cluster/kube-api-error.ts'
import { createKubeTransport } from '../../cluster/kube-transport.ts'
import { openPodTunnel } from '../../cluster/pod-tunnel.ts'
import type { Config } from '../../config.ts'
import { label } from '../../domain/names.ts'
import { GreenroomError } from '../../errors.ts'

/** A session server that the kubeconfig leads to: an address of this machine whose connections go to one of its pods. */
export interface ForwardedServer {
  readonly url: string
  /** What kept the newest connection from its pod. */
  readonly trouble: () => GreenroomError | undefined
  close(): void
}

const component = 'session-management-server'
const apiPort = 3000

interface ListedPods {
  readonly items: readonly {
    readonly metadata?: { readonly name?: string; readonly deletionTimestamp?: string }
    readonly status?: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] }
  }[]
}

/** @throws GreenroomError when the kubeconfig cannot be used, the cluster does not answer, or no pod is Ready */
export async function forwardServer(config: Config<'explain'>, context?: string): Promise<ForwardedServer> {
  const access = await loadKubeAccess(config, { context })
  const namespace = config.GREENROOM_NAMESPACE
  const pod = await readyPod(access, namespace)
  const sockets = new Set<Socket>()
  let trouble: GreenroomError | undefined
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    openPodTunnel(access, { namespace, pod, port: apiPort })
      .then((tunnel) => pipeline(socket, tunnel, socket))
      .catch((error: unknown) => {
        trouble = refusedBy(error, `pod ${namespace}/${pod} could not be reached`)
        socket.destroy()
      })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    trouble: () => trouble,
    close() {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}

async function readyPod(access: KubeAccess, namespace: string): Promise<string> {
  const transport = createKubeTransport(access)
  const selector = encodeURIComponent(`${label.component}=${component}`)
  try {
    const { items } = await transport.getJson<ListedPods>(
      `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods?labelSelector=${selector}`,
    )
    const isReady = ({ metadata, status }: ListedPods['items'][number]) =>
      metadata?.deletionTimestamp === undefined &&
      status?.conditions?.some(({ type, status: state }) => type === 'Ready' && state === 'True')
    const name = items.find(isReady)?.metadata?.name
    if (name !== undefined) return name
    const found = items.length === 0 ? 'No pod' : 'No Ready pod'
    throw new GreenroomError(
      'GRN_SERVER_NOT_FOUND',
      `${found} with the label ${label.component}=${component} is in namespace ${namespace}.`,
    )
  } catch (error) {
    throw refusedBy(error, `the pods of namespace ${namespace} could not be listed`)
  } finally {
    transport.close()
  }
}

function refusedBy(error: unknown, what: string): GreenroomError {
  if (error instanceof GreenroomError) return error
  const sentence = `${what}: ${error instanceof Error ? error.message : String(error)}.`
  const code = hasStatus(error, 401, 403) ? 'GRN_CLUSTER_FORBIDDEN' : 'GRN_KUBERNETES_UNAVAILABLE'
  return new GreenroomError(code, sentence, { cause: error })
}
