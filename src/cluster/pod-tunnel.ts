import { Duplex } from 'node:stream'
import { WebSocket } from 'undici'
import type { KubeAccess } from './kube-access.ts'
import { KubeApiError } from './kube-api-error.ts'
import { createKubeConnections } from './kube-connections.ts'
import { createKubeTransport } from './kube-transport.ts'

/**
 * A connection to a port of a pod, through the API server and the pod's kubelet: the port-forward of kubectl, in its form
 * over a WebSocket. Each message begins with the number of its stream: 0 carries the bytes, 1 what the kubelet complains of.
 * The first message of each stream holds the port.
 */
interface PodPort {
  readonly namespace: string
  readonly pod: string
  readonly port: number
}

/** The first that the API servers of today and their kubelets share. */
const protocol = 'v4.channel.k8s.io'
const dataStream = 0

/** @throws KubeApiError when the API server or the kubelet refuses */
export async function openPodTunnel(access: KubeAccess, wanted: PodPort): Promise<Duplex> {
  const connections = createKubeConnections(access)
  const { dispatcher, headers } = await connections.next()
  const path = `/api/v1/namespaces/${wanted.namespace}/pods/${wanted.pod}/portforward?ports=${wanted.port}`
  const address = `${access.server.replace(/^http/, 'ws').replace(/\/$/, '')}${path}`
  const socket = new WebSocket(address, { protocols: [protocol], dispatcher, headers: { ...headers } })
  socket.binaryType = 'arraybuffer'
  try {
    await opened(socket)
  } catch {
    connections.close()
    throw await reasonOf(access, path)
  }
  return tunnelOver(socket, () => connections.close())
}

function opened(socket: WebSocket): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  socket.addEventListener('open', () => resolve(), { once: true })
  socket.addEventListener('error', () => reject(new Error('refused')), { once: true })
  return promise
}

/** A WebSocket does not tell the status that it got, but the same request without an upgrade does. */
async function reasonOf(access: KubeAccess, path: string): Promise<KubeApiError> {
  const transport = createKubeTransport(access)
  try {
    await transport.getJson(path)
  } catch (error) {
    // 400: the API server would do it, and asks for the upgrade.
    if (error instanceof KubeApiError && error.status !== 400) return error
  } finally {
    transport.close()
  }
  return new KubeApiError('the kubelet of the pod does not answer', { sent: true })
}

function tunnelOver(socket: WebSocket, release: () => void): Duplex {
  const begun = new Set<number>()
  const tunnel = new Duplex({
    read: () => undefined,
    write(chunk: Buffer, _encoding, done) {
      socket.send(Buffer.concat([Buffer.from([dataStream]), chunk]))
      done()
    },
    final(done) {
      socket.close()
      done()
    },
    destroy(error, done) {
      socket.close()
      release()
      done(error)
    },
  })
  socket.addEventListener('message', ({ data }) => {
    const message = Buffer.from(data as ArrayBuffer)
    const stream = message[0] ?? dataStream
    const isFirst = !begun.has(stream)
    begun.add(stream)
    const content = message.subarray(isFirst ? 3 : 1)
    if (content.length === 0) return
    if (stream === dataStream) tunnel.push(content)
    else tunnel.destroy(new Error(content.toString('utf8')))
  })
  socket.addEventListener('close', () => tunnel.push(null))
  return tunnel
}
