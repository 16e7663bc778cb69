import {
  AdmissionregistrationV1Api,
  type Configuration,
  CoordinationV1Api,
  CoreV1Api,
  createConfiguration,
  EventsV1Api,
  PatchStrategy,
  ResponseContext,
  ServerConfiguration,
  setHeaderOptions,
  wrapHttpLibrary,
} from '@kubernetes/client-node'
import type { KubeAccess } from './kube-access.ts'
import { createKubeTransport, type KubeTransport } from './kube-transport.ts'

/**
 * client-node's typed clients of one process, made once; every failure they throw is a KubeApiError. They make every call
 * but lists and watches of what is judged or kept, which go over the transport itself (list-pages.ts, list-watch.ts).
 */
export interface KubeClients {
  readonly core: CoreV1Api
  /** Leases: a renewal that hangs leaves time for another before the renew deadline. */
  readonly coordination: CoordinationV1Api
  readonly events: EventsV1Api
  readonly admissionRegistration: AdmissionregistrationV1Api
  /** The connections that all of them share. */
  readonly transport: KubeTransport
  close(): void
}

interface KubeClientsOptions {
  readonly access: KubeAccess
  /** Longest wait for one answer. */
  readonly requestTimeoutMs?: number
}

/** Three renewals fit into the renew deadline (10 s). */
const leaseTimeoutMs = 3_000

export function createKubeClients({ access, requestTimeoutMs }: KubeClientsOptions): KubeClients {
  const transport = createKubeTransport(access, { timeoutMs: requestTimeoutMs })
  const configuration = configurationOver(transport)
  return {
    core: new CoreV1Api(configuration),
    coordination: new CoordinationV1Api(configurationOver(transport, leaseTimeoutMs)),
    events: new EventsV1Api(configuration),
    admissionRegistration: new AdmissionregistrationV1Api(configuration),
    transport,
    close: () => transport.close(),
  }
}

/**
 * For patches that are server-side applies. RBAC can bind the right to create to one name only when the name is in the
 * request's path, and a POST has none: what is applied is created under a right that covers this one object.
 */
export const asApply = setHeaderOptions('Content-Type', PatchStrategy.ServerSideApply)

/** For patches of one container by its name, wherever it stands in the list. */
export const asStrategicMerge = setHeaderOptions('Content-Type', PatchStrategy.StrategicMergePatch)

/** Our HttpLibrary: the transport knows server, credentials and time limit. */
function configurationOver(transport: KubeTransport, timeoutMs?: number): Configuration {
  return createConfiguration({
    // The typed clients only need something absolute in front of the path.
    baseServer: new ServerConfiguration('http://api-server', {}),
    httpApi: wrapHttpLibrary({
      async send(request) {
        const url = new URL(request.getUrl())
        const body = request.getBody()
        const answer = await transport.send({
          method: request.getHttpMethod(),
          path: url.pathname + url.search,
          headers: request.getHeaders(),
          body: typeof body === 'string' ? body : undefined,
          signal: request.getSignal(),
          timeoutMs,
        })
        return new ResponseContext(answer.status, answer.headers, {
          text: () => Promise.resolve(answer.body),
          binary: () => Promise.resolve(Buffer.from(answer.body)),
          stream: () => null,
        })
      },
    }),
  })
}
