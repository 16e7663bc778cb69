import { parseQuantity } from '../../domain/quantity.ts'
import type { Resources, Thin } from './container-settings.ts'
import { quantityProblems } from './quantity-problems.ts'

/** `thin` of a row: what an idle pod of a pool requests of cpu and memory. */

/** The only resources that Kubernetes changes in a running container. */
export const resizable = ['cpu', 'memory'] as const

/** A request of an idle pod, as Kubernetes writes it. A fraction is rounded up to whole millicores and bytes. */
export function thinRequest(name: (typeof resizable)[number], { requests }: Resources, thin: Thin): string {
  const full = requests[name]
  if (thin.fraction === undefined) return String(thin[name] ?? full)
  const parts = (parseQuantity(full) ?? 0n) * BigInt(Math.round(thin.fraction * millionths))
  return name === 'cpu'
    ? `${divideUp(parts, millionths * 10 ** 6)}m`
    : String(divideUp(parts, millionths * 10 ** 9))
}

/** A fraction has six decimals at most. */
const millionths = 10 ** 6

function divideUp(value: bigint, divisor: number): bigint {
  return (value + BigInt(divisor) - 1n) / BigInt(divisor)
}

/** What is wrong with it beside these resources. */
export function thinProblems(at: string, thin: Thin | undefined, resources: Resources | undefined): string[] {
  if (!thin || !resources) return []
  if (thin.fraction !== undefined && (thin.cpu !== undefined || thin.memory !== undefined))
    return [`${at}: gives fraction and quantities; give one of them`]
  const broken = resizable.flatMap((name) => quantityProblems(`${at}/${name}`, thin[name]))
  if (broken.length > 0) return broken
  const { requests, limits } = resources
  const value = (text: string | number): bigint => parseQuantity(text) ?? 0n
  const above = resizable.filter((name) => value(thinRequest(name, resources, thin)) > value(requests[name]))
  if (above.length > 0)
    return above.map((name) => `${at}/${name}: ${thin[name]} is more than the request ${requests[name]}`)
  if (resizable.every((name) => value(thinRequest(name, resources, thin)) === value(requests[name])))
    return [`${at}: is what the row requests anyway`]
  return resizable.every((name) => value(requests[name]) === value(limits[name]))
    ? [
        `${at}: the row's requests are its limits, and Kubernetes refuses a resize that changes the quality of service`,
      ]
    : []
}
