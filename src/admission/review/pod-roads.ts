import type { AdmissionRequest } from './admission-review.ts'

/**
 * Every road by which the API can write a pod, and what is judged of it. A test compares this table with the API server's
 * own discovery and with the webhook's configurations, so that a new road does not stay open unnoticed.
 */
export interface PodRoad {
  /** As in RBAC: `pods/status`. */
  readonly road: string
  readonly operation: 'CREATE' | 'UPDATE' | 'CONNECT'
  /** `pod`: everything; `metadata`: what it copies to the pod; `nothing`: it can change no field of a pod. */
  readonly judged: 'pod' | 'metadata' | 'nothing'
  readonly writes: string
}

export const podRoads: readonly PodRoad[] = [
  { road: 'pods', operation: 'CREATE', judged: 'pod', writes: 'the whole pod' },
  {
    road: 'pods',
    operation: 'UPDATE',
    judged: 'pod',
    writes: 'metadata, images, tolerations, activeDeadlineSeconds, gates',
  },
  {
    road: 'pods/ephemeralcontainers',
    operation: 'UPDATE',
    judged: 'pod',
    writes: 'debug containers and metadata',
  },
  { road: 'pods/resize', operation: 'UPDATE', judged: 'pod', writes: 'resources and metadata' },
  {
    road: 'pods/status',
    operation: 'UPDATE',
    judged: 'metadata',
    writes: 'the status, labels, annotations and finalizers',
  },
  {
    road: 'pods/binding',
    operation: 'CREATE',
    judged: 'metadata',
    writes: 'the node; labels and annotations of the Binding are copied to the pod',
  },
  { road: 'bindings', operation: 'CREATE', judged: 'metadata', writes: 'as pods/binding, its older form' },
  {
    road: 'pods/eviction',
    operation: 'CREATE',
    judged: 'nothing',
    writes: 'nothing but the deletion, which stays possible',
  },
  { road: 'pods/attach', operation: 'CONNECT', judged: 'nothing', writes: 'no field: RBAC decides' },
  { road: 'pods/exec', operation: 'CONNECT', judged: 'nothing', writes: 'no field: RBAC decides' },
  { road: 'pods/portforward', operation: 'CONNECT', judged: 'nothing', writes: 'no field: RBAC decides' },
  { road: 'pods/proxy', operation: 'CONNECT', judged: 'nothing', writes: 'no field: RBAC decides' },
]

const judgedOf: ReadonlyMap<string, PodRoad['judged']> = new Map(
  podRoads.map(({ road, judged }) => [road, judged]),
)

/**
 * What is judged of a request; undefined if it is about no pod. A subresource that this version does not know is judged in
 * full, so that a newer API fails safe.
 */
export function judgedOfRequest({
  resource,
  subResource = '',
}: AdmissionRequest): PodRoad['judged'] | undefined {
  if (resource.group !== '') return undefined
  const road = subResource === '' ? resource.resource : `${resource.resource}/${subResource}`
  return judgedOf.get(road) ?? (resource.resource === 'pods' ? 'pod' : undefined)
}
