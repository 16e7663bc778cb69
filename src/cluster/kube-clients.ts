import {
  type Configuration,
  CoreV1Api,
  createConfiguration,
  EventsV1Api,
  ResponseContext,
  ServerConfiguration,
  wrapHttpLibrary,
} from '@kubernetes/client-node'
import type { KubeAccess } from './kube-access.ts'
import { kubeApiErrorFrom } from './kube-api-error.ts'
import { createKubeTransport, type KubeTransport } from './kube-transport.ts'
import { createLeaseApi, type LeaseApi, leaseTimeoutMs } from './lease-api.ts'

/**
 * The generated API clients of one process, made once; every failure they throw is a KubeApiError. Importing this file
 * costs some 30 MB of resident memory (ADR 8): only the controller, which writes pods and Events, does.
 */
export interface KubeClients {
  readonly core: CoreV1Api
  readonly coordination: LeaseApi
  readonly events: EventsV1Api
  /** Lists and watches, which the generated clients do badly. */
  readonly transport: KubeTransport
  close(): void
}

interface KubeClientsOptions {
  readonly access: KubeAccess
  /** Longest wait for one answer. */
  readonly requestTimeoutMs?: number
}

export function createKubeClients({ access, requestTimeoutMs }: KubeClientsOptions): KubeClients {
  const transport = createKubeTransport(
    access,
    requestTimeoutMs === undefined ? {} : { timeoutMs: requestTimeoutMs },
  )
  const leaseTransport = createKubeTransport(access, { timeoutMs: leaseTimeoutMs })
  return {
    core: new CoreV1Api(configurationOver(transport)),
    coordination: createLeaseApi(leaseTransport),
    events: new EventsV1Api(configurationOver(transport)),
    transport,
    close() {
      transport.close()
      leaseTransport.close()
    },
  }
}

function configurationOver(transport: KubeTransport): Configuration {
  return createConfiguration({
    // The transport knows the server; the generated clients only need something absolute in front of the path.
    baseServer: new ServerConfiguration('http://api-server', {}),
    httpApi: wrapHttpLibrary({ send: (request) => sendGenerated(transport, request) }),
  })
}

type GeneratedRequest = Parameters<Parameters<typeof wrapHttpLibrary>[0]['send']>[0]

async function sendGenerated(transport: KubeTransport, request: GeneratedRequest): Promise<ResponseContext> {
  const url = new URL(request.getUrl())
  const body = request.getBody()
  const response = await transport.send({
    method: request.getHttpMethod(),
    path: url.pathname + url.search,
    headers: request.getHeaders(),
    body: typeof body === 'string' ? body : undefined,
    signal: request.getSignal(),
  })
  if (response.status >= 300)
    throw kubeApiErrorFrom(response.status, response.body, response.headers['retry-after'])
  return new ResponseContext(response.status, response.headers, {
    text: () => Promise.resolve(response.body),
    binary: () => Promise.resolve(Buffer.from(response.body)),
    stream: () => null,
  })
}
