import type { PolicyProbe, Resources } from './policy-rules.ts'
import { parseQuantity } from './quantity.ts'
import { quantityProblems } from './quantity-problems.ts'

type ResourceName = keyof Resources['limits']

/** A request without a limit or above it, and bounds that the row's own values are not within. */
export function resourceProblems(at: string, resources: Resources): string[] {
  const { requests, limits, min = {}, max = {} } = resources
  const lists = { requests, limits, min, max }
  const names = new Set(Object.values(lists).flatMap((list) => Object.keys(list) as ResourceName[]))
  return [...names].flatMap((name) => {
    const broken = Object.entries(lists).flatMap(([field, list]) =>
      quantityProblems(`${at}/${field}/${name}`, list[name]),
    )
    if (broken.length > 0) return broken
    if (limits[name] === undefined) {
      return [`${at}/limits/${name}: is missing; every request and every bound needs a limit`]
    }
    return orderProblems(at, name, resources)
  })
}

function orderProblems(at: string, name: ResourceName, { requests, limits, min, max }: Resources): string[] {
  const above = (a: string | number | undefined, b: string | number | undefined): boolean =>
    a !== undefined && b !== undefined && (parseQuantity(a) ?? 0n) > (parseQuantity(b) ?? 0n)
  const [asked, most] = [requests[name], limits[name]]
  return [
    ...(above(asked, most) ? [`${at}/requests/${name}: ${asked} is more than the limit ${most}`] : []),
    ...(above(min?.[name], asked ?? most)
      ? [`${at}/min/${name}: ${min?.[name]} is more than the row's own ${asked ?? most}`]
      : []),
    ...(above(most, max?.[name])
      ? [`${at}/max/${name}: ${max?.[name]} is less than the row's own limit ${most}`]
      : []),
  ]
}

export function probeProblems(at: string, probe: PolicyProbe | undefined): string[] {
  if (!probe || probe.timeoutSeconds <= probe.periodSeconds) return []
  return [`${at}/timeoutSeconds: ${probe.timeoutSeconds} is more than periodSeconds (${probe.periodSeconds})`]
}
