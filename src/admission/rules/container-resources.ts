import { label } from '../../domain/names.ts'
import { parseQuantity, sameQuantities, sameQuantity } from '../../domain/quantity.ts'
import type { Container, PlacedContainer } from '../pod/pod.ts'
import {
  type EffectiveRow,
  type WantedResource,
  type WantedResources,
  withoutRange,
} from '../policy/effective-row.ts'
import type { AdmissionContext } from './admission-context.ts'

/** What rules `resources` and `resource-range` share. */

export const resourceFields = ['requests', 'limits'] as const
export type ResourceField = (typeof resourceFields)[number]

export interface SizedContainer extends PlacedContainer {
  readonly wanted: WantedResources
}

/** Containers and init containers, each with what the row wants for it. */
export function startedWithResources(context: AdmissionContext): readonly SizedContainer[] {
  const { containers, agentContainer, row } = context
  if (!row) return []
  const found: SizedContainer[] = []
  for (const placed of containers) {
    const { container, kind, path } = placed
    if (kind === 'ephemeral') continue
    const wanted = placed === agentContainer ? wantedForAgent(context, row, container) : row.sidecar
    found.push({ container, kind, path, wanted })
  }
  return found
}

/**
 * A pod of a pool whose row says `thin` has one of two sizes: the idle one, or the full one since a session claimed it. A
 * change of its requests may only be to the full size.
 */
function wantedForAgent(
  context: AdmissionContext,
  row: EffectiveRow,
  { name, resources }: Container,
): WantedResources {
  if (!isThin(context.metadata.labels, row)) return row.resources
  const full = withoutRange(row.resources)
  const before = context.oldPod?.spec.containers.find((container) => container.name === name)
  const isChanged = before !== undefined && !sameQuantities(before.resources?.requests, resources?.requests)
  return isChanged || requestsOf(full, resources) ? full : row.idle
}

/** Whether this is a pod of a pool whose row has a size for idle pods. */
export function isThin(
  labels: Readonly<Record<string, string>> | undefined,
  row: EffectiveRow,
): row is EffectiveRow & { readonly idle: WantedResources } {
  return row.idle !== undefined && labels?.[label.pool] !== undefined
}

/** Whether the requests are those of the row. */
export function requestsOf(wanted: WantedResources, given: Given): boolean {
  return wanted.every(({ name, request }) => sameQuantity(given?.requests?.[name], request))
}

type Quantity = string | number
type Given = Container['resources']
type Asked = (field: 'request' | 'limit', resource: string) => Quantity | undefined

/**
 * Requests and limits as the row wants them. A resource without a range is imposed. With a range, what the author asked
 * for stays, and the rest is filled in so that no request is above its limit. `isDefaulted` is true for values that
 * nobody asked for.
 */
export function filledResources(
  given: Given,
  wanted: WantedResources,
  isDefaulted: (field: 'request' | 'limit', resource: string) => boolean,
): NonNullable<Container['resources']> {
  const asked: Asked = (field, resource) =>
    isDefaulted(field, resource) ? undefined : given?.[`${field}s`]?.[resource]
  // What the row does not name stays, and rule resource-range refuses it.
  const requests: Record<string, Quantity> = unnamed(given?.requests, wanted)
  const limits: Record<string, Quantity> = unnamed(given?.limits, wanted)
  for (const resource of wanted) {
    const { name } = resource
    const { request, limit } = resource.range ? withinRange(resource, asked) : resource
    // The pod's own notation where that says the same: `1` stays, though the table has `1000m`.
    requests[name] = notation(given?.requests?.[name], request)
    limits[name] = notation(given?.limits?.[name], limit)
  }
  return { ...given, requests, limits }
}

/** Resources that the row does not name: devices, huge pages. */
export function unnamed(
  given: Readonly<Record<string, Quantity>> | undefined,
  wanted: WantedResources,
): Record<string, Quantity> {
  const isNamed = (name: string): boolean => wanted.some((resource) => resource.name === name)
  if (!given || Object.keys(given).every(isNamed)) return {}
  return Object.fromEntries(Object.entries(given).filter(([name]) => !isNamed(name)))
}

function withinRange(
  { name, request, limit }: WantedResource,
  asked: Asked,
): { request: Quantity; limit: Quantity } {
  const askedRequest = asked('request', name)
  const most = asked('limit', name) ?? larger(limit, askedRequest)
  return { request: askedRequest ?? smaller(request, most), limit: most }
}

function notation(given: Quantity | undefined, wanted: Quantity): Quantity {
  return given !== undefined && sameQuantity(given, wanted) ? given : wanted
}

function larger(a: Quantity, b: Quantity | undefined): Quantity {
  return b !== undefined && (parseQuantity(b) ?? 0n) > (parseQuantity(a) ?? 0n) ? b : a
}

function smaller(a: Quantity, b: Quantity): Quantity {
  return (parseQuantity(b) ?? 0n) < (parseQuantity(a) ?? 0n) ? b : a
}

/** True if both are in the resource's range, the request not above the limit. */
export function isInRange(
  { range }: Required<Pick<WantedResource, 'range'>>,
  request: Quantity | undefined,
  limit: Quantity | undefined,
): boolean {
  const asked = request === undefined ? undefined : parseQuantity(request)
  const most = limit === undefined ? undefined : parseQuantity(limit)
  if (asked === undefined || most === undefined) return false
  return range.min <= asked && asked <= most && most <= range.max
}
