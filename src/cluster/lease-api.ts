import type { KubeTransport } from './kube-transport.ts'

/** Reads and writes of Leases over the transport alone: the webhook elects a leader too, and must stay small (ADR 8). */
export interface LeaseApi {
  /** Every call throws KubeApiError for anything but 2xx. */
  readNamespacedLease(of: LeaseName): Promise<RawLease>
  createNamespacedLease(of: { readonly namespace: string; readonly body: RawLease }): Promise<RawLease>
  /** Compare-and-set on the resourceVersion in the body. */
  replaceNamespacedLease(of: LeaseName & { readonly body: RawLease }): Promise<RawLease>
}

interface LeaseName {
  readonly namespace: string
  readonly name: string
}

/** A coordination.k8s.io/v1 Lease as it is on the wire. */
export interface RawLease {
  metadata?: { readonly name?: string; readonly namespace?: string; readonly resourceVersion?: string }
  spec?: LeaseSpec
}

export interface LeaseSpec {
  readonly holderIdentity?: string
  readonly leaseDurationSeconds?: number
  /** MicroTime. */
  readonly renewTime?: string
  /** MicroTime. */
  readonly acquireTime?: string
  readonly leaseTransitions?: number
}

/**
 * A renewal that hangs must leave time for another before the renew deadline (10 s), and must not wait behind others'
 * requests: give Leases a transport of their own with this time limit.
 */
export const leaseTimeoutMs = 3_000

/** Six digits of a second: the API server takes nothing else in a MicroTime. */
export function microTime(time: Date): string {
  return time.toISOString().replace(/Z$/, '000Z')
}

export function createLeaseApi(transport: KubeTransport): LeaseApi {
  const collection = (namespace: string): string =>
    `/apis/coordination.k8s.io/v1/namespaces/${encodeURIComponent(namespace)}/leases`
  const pathOf = ({ namespace, name }: LeaseName): string =>
    `${collection(namespace)}/${encodeURIComponent(name)}`
  const lease = (body: RawLease) => ({ apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', ...body })
  return {
    readNamespacedLease: (of) => transport.getJson(pathOf(of)),
    createNamespacedLease: ({ namespace, body }) =>
      transport.writeJson('POST', collection(namespace), lease(body)),
    replaceNamespacedLease: ({ body, ...of }) => transport.writeJson('PUT', pathOf(of), lease(body)),
  }
}
