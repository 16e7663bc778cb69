import { parseQuantity, sameQuantity } from '../../domain/quantity.ts'
import type { PolicyProbe, Resources } from './container-settings.ts'
import { quantityProblems } from './quantity-problems.ts'

type Quantities = Readonly<Record<string, string | number | undefined>>

const plainNames: readonly string[] = ['cpu', 'memory', 'ephemeral-storage']
const isDevice = (name: string): boolean =>
  /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?\/[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/.test(name)

/** Requests without a limit or above it, and bounds that exclude the row's own values. */
export function resourceProblems(at: string, resources: Resources): string[] {
  const { requests, limits, min = {}, max = {} } = resources
  const lists: Readonly<Record<string, Quantities>> = { requests, limits, min, max }
  const names = new Set(Object.values(lists).flatMap((list) => Object.keys(list)))
  return [...names].flatMap((name) => {
    if (!plainNames.includes(name) && !isDevice(name)) {
      return Object.keys(lists)
        .filter((field) => lists[field]?.[name] !== undefined)
        .map(
          (field) =>
            `${at}/${field}/${name}: is not a known key; known: ${plainNames.join(', ')}, or a device such as nvidia.com/gpu`,
        )
    }
    const broken = Object.entries(lists).flatMap(([field, list]) =>
      quantityProblems(`${at}/${field}/${name}`, list[name]),
    )
    if (broken.length > 0) return broken
    if (lists['limits']?.[name] === undefined) {
      return [`${at}/limits/${name}: is missing; every request and every bound needs a limit`]
    }
    return orderProblems(at, name, lists)
  })
}

function orderProblems(
  at: string,
  name: string,
  { requests, limits, min, max }: Readonly<Record<string, Quantities>>,
): string[] {
  const above = (a: string | number | undefined, b: string | number | undefined): boolean =>
    a !== undefined && b !== undefined && (parseQuantity(a) ?? 0n) > (parseQuantity(b) ?? 0n)
  const [asked, most] = [requests?.[name], limits?.[name]]
  if (isDevice(name) && asked !== undefined && !sameQuantity(asked, most)) {
    return [`${at}/requests/${name}: ${asked} is not the limit ${most}; of a device both are the same`]
  }
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
