import type {
  V1Deployment,
  V1HorizontalPodAutoscaler,
  V1Pod,
  V1ResourceQuota,
  V1Secret,
} from '@kubernetes/client-node'
import { imageMatches } from '../../../src/admission/pod/image-reference.ts'
import { amountsOfRow, effectiveRow } from '../../../src/admission/policy/effective-row.ts'
import {
  noResources,
  type PodResources,
  plus,
  podResources,
  takenOf,
} from '../../../src/domain/pod-resources.ts'
import { parseQuantity } from '../../../src/domain/quantity.ts'
import { policyOf, poolsOf } from '../documents.ts'
import { type ManifestSet, nameOf, ofKind, workloads } from '../manifest-set.ts'

/** Agents: one label, an image for each type, warm pods, and how many of them fit. */

export function agentsWithoutTheirLabel(set: ManifestSet): string[] {
  const policy = policyOf(set)
  if (!policy) return []
  const { appLabel } = policy.defaults
  return [
    ...(appLabel === 'conversational-ai-agent' || appLabel === 'stella-agent'
      ? []
      : [`appLabel is ${appLabel}, which no command of the documents looks for`]),
    // A Deployment of that label would take agents for its own.
    ...workloads(set)
      .filter(({ template }) => template.metadata?.labels?.['app'] === appLabel)
      .map(({ object }) => `${nameOf(object)} has the agents' label`),
  ]
}

export function poolsWithoutTheirImage(set: ManifestSet): string[] {
  const policy = policyOf(set)
  if (!policy) return []
  return Object.entries(poolsOf(set)?.pools ?? {}).flatMap(([name, { template }]) => {
    const row = effectiveRow(name, policy)
    if (!row) return [`pool ${name} has no row in the policy`]
    const { allowed = [] } = row.images
    return allowed.length === 0 || allowed.some((pattern) => imageMatches(template.image, pattern))
      ? []
      : [`pool ${name} runs ${template.image}, which its row does not allow`]
  })
}

/** A pod or a Secret for each session cannot be part of what is applied: a warm pod is there before. */
export function objectsForOneSession(set: ManifestSet): string[] {
  const pods = ofKind<V1Pod>(set, 'Pod').filter(({ metadata }) => metadata.labels?.['agent-type'])
  const secrets = ofKind<V1Secret>(set, 'Secret', 'ExternalSecret', 'SealedSecret').filter(({ metadata }) =>
    metadata.name?.startsWith('agent-secret-'),
  )
  return [...pods, ...secrets].map((object) => `${nameOf(object)} is of one session`)
}

export function agentsThatAreReadyWhenConnected(set: ManifestSet): string[] {
  const policy = policyOf(set)
  if (!policy) return []
  return Object.keys(policy.agentTypes)
    .filter((name) => name !== 'default')
    .flatMap((name) => {
      const path = effectiveRow(name, policy)?.probes.readinessProbe?.httpGet?.path
      return path === '/ready' ? [] : [`agent type ${name} is ready by ${path}`]
    })
}

/** Only the session server holds what opens rooms; agents get a token for theirs. The policy itself refuses rows that name it. */
export function apiSecretsWithOthers(set: ManifestSet): string[] {
  return workloads(set)
    .filter(({ object }) => object.metadata.name !== 'session-management-server')
    .filter(({ template }) => JSON.stringify(template).includes('LIVEKIT_API_SECRET'))
    .map(({ object }) => `${nameOf(object)} has LIVEKIT_API_SECRET`)
}

/** What a set takes of the quota before a session is opened, and whether each pool can become as large as it may. */
export function poolsThatTheQuotaCannotHold(set: ManifestSet): string[] {
  const policy = policyOf(set)
  const pools = Object.entries(poolsOf(set)?.pools ?? {})
  if (!policy) return []
  const sizeOf = (name: string) => amountsOfRow(effectiveRow(name, policy)?.resources ?? [])
  const idle = sum(pools.map(([name, { min }]) => times(sizeOf(name), min)))
  return ofKind<V1ResourceQuota>(set, 'ResourceQuota').flatMap(({ metadata, spec }) => {
    const own = ownResources(set, metadata.namespace)
    return Object.entries(spec?.hard ?? {}).flatMap(([resource, text]) => {
      if (resource === 'pods') return []
      const hard = parseQuantity(text) ?? 0n
      const free = hard - takenOf(resource, own)
      const whole = takenOf(resource, idle) > free ? [`${resource} ${text} does not hold the idle pods`] : []
      const single = pools.flatMap(([name, { max }]) => {
        const need = takenOf(resource, sizeOf(name))
        const fitting = need > 0n ? free / need : BigInt(max)
        return fitting < BigInt(max) ? [`${resource} ${text} holds ${fitting} of ${max} pods of ${name}`] : []
      })
      return [...whole, ...single]
    })
  })
}

/** minikube with 4 CPUs and 8 GiB, less what its own pods request. */
const smallMachine = { cpu: 4n * 10n ** 9n - 850n * 10n ** 6n, memory: 7n * 2n ** 30n * 10n ** 9n }

export function moreThanASmallMachineHolds(set: ManifestSet): string[] {
  const policy = policyOf(set)
  const pools = poolsOf(set)?.pools ?? {}
  if (!policy) return []
  const agents = sum(
    Object.entries(pools).map(([name, { min }]) =>
      times(amountsOfRow(effectiveRow(name, policy)?.resources ?? []), min),
    ),
  )
  const all = sum([agents, ownResources(set, 'ai-agents'), ownResources(set, 'greenroom-system')])
  const tooMuch = (['cpu', 'memory'] as const).flatMap((resource) =>
    takenOf(`requests.${resource}`, all) > smallMachine[resource]
      ? [`requests more ${resource} than there is`]
      : [],
  )
  const echo = pools['echo-agent']?.min
  return [...tooMuch, ...(echo === 2 ? [] : [`${echo} echo agents are kept, not two`])]
}

/** Of all that runs in a namespace but agents; where an HPA decides, its smallest number. A Job runs once. */
function ownResources(set: ManifestSet, namespace: string | undefined): PodResources {
  const scaled = new Map(
    ofKind<V1HorizontalPodAutoscaler>(set, 'HorizontalPodAutoscaler').map(({ spec }) => [
      spec?.scaleTargetRef.name ?? '',
      spec?.minReplicas ?? 1,
    ]),
  )
  return sum(
    workloads(set)
      .filter(({ object }) => object.metadata.namespace === namespace && !object.kind.endsWith('Job'))
      .map(({ object, template }) => {
        const { replicas = 1 } = (object as V1Deployment).spec ?? {}
        return times(podResources(template as V1Pod).all, scaled.get(object.metadata.name ?? '') ?? replicas)
      }),
  )
}

function sum(amounts: readonly PodResources[]): PodResources {
  return amounts.reduce(plus, noResources)
}

function times(size: PodResources, count: number): PodResources {
  return sum(Array.from({ length: count }, () => size))
}
