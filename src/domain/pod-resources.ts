import type { V1Container, V1Pod, V1ResourceRequirements } from '@kubernetes/client-node'
import { agentContainerName } from './names.ts'
import { parseQuantity } from './quantity.ts'

/** Resource → nano-units. */
export type Amounts = Readonly<Record<string, bigint>>

/** What one pod takes, as a ResourceQuota and the scheduler count it. */
export interface PodResources {
  readonly requests: Amounts
  readonly limits: Amounts
}

export const noResources: PodResources = { requests: {}, limits: {} }

const onePod = 10n ** 9n

/** What a pod takes of this resource of a quota (`limits.cpu`, `pods`, `count/pods`, …), in nano-units; 0 if it does not count. */
export function takenOf(resource: string, { requests, limits }: PodResources): bigint {
  if (resource === 'pods' || resource === 'count/pods') return onePod
  if (resource.startsWith('limits.')) return limits[resource.slice('limits.'.length)] ?? 0n
  // `cpu` is what `requests.cpu` is.
  return requests[resource.replace(/^requests\./, '')] ?? 0n
}

export function plus(a: PodResources, b: PodResources): PodResources {
  return combined(a, b, (x, y) => x + y)
}

/** What of `a` is more than `b`; never negative. */
export function less(a: PodResources, b: PodResources): PodResources {
  return combined(a, b, (x, y) => (x > y ? x - y : 0n))
}

/** The resources of the agent container alone, and of the pod as a whole. */
export function podResources(pod: V1Pod): { readonly agent: PodResources; readonly all: PodResources } {
  const { containers = [], initContainers = [], overhead } = pod.spec ?? {}
  const agent = containers.find(({ name }) => name === agentContainerName) ?? containers[0]
  const started = containers.map(resourcesOf).reduce(plus, noResources)
  // Init containers run one after the other, each beside the sidecars (restartable ones) that began before it.
  let [sidecars, most] = [noResources, noResources]
  for (const container of initContainers) {
    const own = resourcesOf(container)
    if (container.restartPolicy === 'Always') sidecars = plus(sidecars, own)
    most = larger(most, container.restartPolicy === 'Always' ? sidecars : plus(sidecars, own))
  }
  const running = larger(plus(started, sidecars), most)
  return {
    agent: agent ? resourcesOf(agent) : noResources,
    all: plus(running, { requests: amountsOf(overhead), limits: noResources.limits }),
  }
}

function larger(a: PodResources, b: PodResources): PodResources {
  return combined(a, b, (x, y) => (x > y ? x : y))
}

function combined(a: PodResources, b: PodResources, join: (x: bigint, y: bigint) => bigint): PodResources {
  const of = (x: Amounts, y: Amounts): Amounts =>
    Object.fromEntries(
      [...new Set([...Object.keys(x), ...Object.keys(y)])].map((name) => [
        name,
        join(x[name] ?? 0n, y[name] ?? 0n),
      ]),
    )
  return { requests: of(a.requests, b.requests), limits: of(a.limits, b.limits) }
}

/** The API server makes a request of a limit without one. */
function resourcesOf({ resources = {} }: Pick<V1Container, 'resources'>): PodResources {
  return amountsIn(resources)
}

function amountsIn({ requests, limits }: Pick<V1ResourceRequirements, 'requests' | 'limits'>): PodResources {
  return { requests: amountsOf({ ...limits, ...requests }), limits: amountsOf(limits) }
}

function amountsOf(quantities: Readonly<Record<string, string>> = {}): Amounts {
  return Object.fromEntries(
    Object.entries(quantities).map(([name, text]) => [name, parseQuantity(text) ?? 0n]),
  )
}
