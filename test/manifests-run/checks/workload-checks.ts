import type {
  V1Deployment,
  V1HorizontalPodAutoscaler,
  V1PodDisruptionBudget,
  V1PodSpec,
  V1PodTemplateSpec,
  V1StatefulSet,
} from '@kubernetes/client-node'
import { explainPod } from '../../../src/admission/explain/explain-pod.ts'
import { noAssignKeys } from '../../../src/admission/policy/public-assign-keys.ts'
import { policyOf, poolsOf } from '../documents.ts'
import { type ManifestObject, type ManifestSet, nameOf, ofKind, workloads } from '../manifest-set.ts'

/** How many pods of a workload run, what they are made from, and whether admission takes them. */

export function replicasBesideAnHpa(set: ManifestSet): string[] {
  return ofKind<V1HorizontalPodAutoscaler>(set, 'HorizontalPodAutoscaler').flatMap((hpa) => {
    const target = hpa.spec?.scaleTargetRef
    const owned = ofKind<V1Deployment>(set, 'Deployment', 'StatefulSet').find(
      ({ kind, metadata }) =>
        kind === target?.kind &&
        metadata.name === target.name &&
        metadata.namespace === hpa.metadata.namespace,
    )
    if (!owned) return [`${nameOf(hpa)} scales nothing that is there`]
    return owned.spec?.replicas === undefined
      ? []
      : [`${nameOf(owned)} has replicas, which ${nameOf(hpa)} decides`]
  })
}

export function budgetsThatBlockDrains(set: ManifestSet): string[] {
  return ofKind<V1PodDisruptionBudget>(set, 'PodDisruptionBudget').flatMap((budget) =>
    budget.spec?.maxUnavailable === 1 && budget.spec.minAvailable === undefined
      ? []
      : [`${nameOf(budget)} has no maxUnavailable: 1`],
  )
}

const ownServers = ['session-management-server', 'agent-webhook']

export function probesOfTheirOwn(set: ManifestSet): string[] {
  return ofKind<V1Deployment>(set, 'Deployment')
    .filter(({ metadata }) => ownServers.includes(metadata.name ?? ''))
    .flatMap((deployment) => {
      const [container] = deployment.spec?.template.spec?.containers ?? []
      const paths = [container?.startupProbe, container?.livenessProbe, container?.readinessProbe].map(
        (probe) => probe?.httpGet?.path,
      )
      return paths.join() === '/livez,/livez,/readyz'
        ? []
        : [`${nameOf(deployment)} is probed at ${paths.join()}`]
    })
}

/** One that may not run twice has one replica; every other lets no pod go before its successor is ready. */
export function rollingAsTheDataAllows(set: ManifestSet): string[] {
  return ofKind<V1Deployment>(set, 'Deployment').flatMap((deployment) => {
    const { strategy, replicas, template } = deployment.spec ?? {}
    if (strategy?.type === 'Recreate') {
      return replicas === 1 ? [] : [`${nameOf(deployment)} is recreated and has ${replicas} replicas`]
    }
    const isSingle = (template?.spec?.volumes ?? []).some((volume) => volume.persistentVolumeClaim)
    if (isSingle) return [`${nameOf(deployment)} has a claim, which two pods cannot share while it rolls`]
    if (!ownServers.includes(deployment.metadata.name ?? '')) return []
    const { maxSurge, maxUnavailable } = strategy?.rollingUpdate ?? {}
    return maxSurge === 1 && maxUnavailable === 0
      ? []
      : [`${nameOf(deployment)} rolls without 1 more and 0 less`]
  })
}

const versioned = /^[^:@]+(?::\d+\/[^:@]+)?(?::(?!latest$)[\w][\w.-]*|@sha256:[0-9a-f]{64})$/

export function imagesWithoutVersion(set: ManifestSet): string[] {
  const ofPods = workloads(set).flatMap(({ object, template }) =>
    containersOf(template.spec).map(({ image }) => ({ where: nameOf(object), image })),
  )
  const ofPools = Object.entries(poolsOf(set)?.pools ?? {}).map(([name, { template }]) => ({
    where: `pool ${name}`,
    image: template.image,
  }))
  return [...ofPods, ...ofPools].flatMap(({ where, image }) =>
    versioned.test(image ?? '') ? [] : [`${where} runs ${image}`],
  )
}

export function containersOf(spec: V1PodSpec | undefined) {
  return [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])]
}

/** What the policy of the set says of each pod that a workload makes in the namespace of the agents. */
export function podsThatAdmissionRefuses(set: ManifestSet): string[] {
  const policy = policyOf(set)
  if (!policy) return []
  return workloads(set)
    .filter(({ object }) => object.metadata.namespace === 'ai-agents')
    .flatMap(({ object, template }) => {
      const { decision, violations } = explainPod(podOf(object, template), {
        namespace: 'ai-agents',
        inForce: { policy, assignKeys: noAssignKeys },
        username: 'system:serviceaccount:kube-system:replicaset-controller',
      })
      if (decision !== 'denied') return []
      return violations.map(
        ({ rule, path, found }) => `${nameOf(object)}: ${rule} at ${path}: ${String(found)}`,
      )
    })
}

interface PlainTemplate {
  readonly metadata?: object
  readonly spec?: { readonly volumes?: readonly object[] }
}

/** As the controller of the workload makes it. */
function podOf(object: ManifestObject, template: V1PodTemplateSpec): object {
  const claims = (object as V1StatefulSet).spec?.volumeClaimTemplates ?? []
  const { metadata, spec } = structuredClone(template) as PlainTemplate
  const volumes = claims.map(({ metadata: claim }) => ({
    name: claim?.name,
    persistentVolumeClaim: { claimName: `${claim?.name}-${object.metadata.name}-0` },
  }))
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { ...metadata, name: `${object.metadata.name}-0`, namespace: 'ai-agents' },
    spec: { ...spec, volumes: [...(spec?.volumes ?? []), ...volumes] },
  }
}
