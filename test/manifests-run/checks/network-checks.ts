import type {
  V1Deployment,
  V1Ingress,
  V1NetworkPolicy,
  V1NetworkPolicyEgressRule,
  V1Pod,
  V1Service,
} from '@kubernetes/client-node'
import { checkPools } from '../../../src/domain/pool.ts'
import { slotPod } from '../../../src/domain/slot-pod.ts'
import { fits, type ManifestSet, nameOf, ofKind, workloads } from '../manifest-set.ts'

/** Who reaches whom, and by which ports and names. */

/** Where agents are: DNS over both protocols, LiveKit at its ports, and nobody reaches them but the session server and Prometheus. */
export function agentsOutOfReachOfLiveKit(set: ManifestSet): string[] {
  const policies = ofKind<V1NetworkPolicy>(set, 'NetworkPolicy').filter(({ spec }) =>
    spec?.podSelector?.matchExpressions?.some(({ key }) => key === 'agent-type'),
  )
  if (policies.length === 0) return []
  const rules = policies.flatMap(({ spec }) => spec?.egress ?? [])
  const missing = ['53/UDP', '53/TCP', '7880/TCP', '7881/TCP', '7882/UDP'].filter(
    (port) => !rules.some((rule) => portsOf(rule).includes(port)),
  )
  const open = rules.some(({ to, ports }) => !to || !ports)
  const callers = policies
    .flatMap(({ spec }) => spec?.ingress ?? [])
    .filter((rule) => !/session-management-server|greenroom\.dev\/monitoring/.test(JSON.stringify(rule)))
  return [
    ...missing.map((port) => `agents do not reach ${port}`),
    ...(open ? ['agents reach anything'] : []),
    ...callers.map(() => 'somebody but the session server and Prometheus reaches agents'),
  ]
}

/** Whoever may send something, and not everything, asks DNS first. */
export function policiesWithoutDns(set: ManifestSet): string[] {
  const policies = ofKind<V1NetworkPolicy>(set, 'NetworkPolicy')
  const bySelector = Map.groupBy(policies, ({ metadata, spec }) =>
    JSON.stringify([metadata.namespace, spec?.podSelector]),
  )
  return [...bySelector.values()].flatMap((same) => {
    const rules = same.flatMap(({ spec }) => spec?.egress ?? [])
    const isOpen = rules.some(({ to, ports }) => !to && !ports)
    if (rules.length === 0 || isOpen) return []
    const names = same.map(nameOf).join(', ')
    return ['53/UDP', '53/TCP']
      .filter((port) => !rules.some((rule) => portsOf(rule).includes(port)))
      .map((port) => `${names}: no DNS, ${port}`)
  })
}

function portsOf({ ports = [] }: V1NetworkPolicyEgressRule): string[] {
  return ports.map(({ port, protocol }) => `${port}/${protocol}`)
}

interface ServiceMonitor {
  readonly spec: {
    readonly selector: { readonly matchLabels?: Readonly<Record<string, string>> }
    readonly namespaceSelector?: { readonly matchNames?: readonly string[] }
    readonly endpoints: readonly { readonly port?: string; readonly interval?: string }[]
  }
}

interface PodMonitor {
  readonly spec: {
    readonly selector: {
      readonly matchExpressions?: readonly { readonly key: string; readonly operator: string }[]
    }
    readonly podMetricsEndpoints: readonly { readonly port?: string; readonly interval?: string }[]
  }
}

/** A pod as the controller makes it of any pool. */
function agentPod(): V1Pod {
  const checked = checkPools('pools: {any: {template: {image: "any:1"}, min: 0, max: 1}}')
  if (!checked.ok) throw new Error(checked.problems.join('; '))
  const { any } = checked.value.pools
  if (!any) throw new Error('the pool is missing')
  return slotPod('any', any, { namespace: 'ai-agents' })
}

function podMonitorsThatScrapeNothing(set: ManifestSet): string[] {
  const agent = agentPod()
  return ofKind<PodMonitor>(set, 'PodMonitor').flatMap((monitor) => {
    const { selector, podMetricsEndpoints } = monitor.spec
    const keys = selector.matchExpressions?.map(({ key }) => key) ?? []
    const names = agent.spec?.containers.flatMap(({ ports = [] }) => ports.map(({ name }) => name)) ?? []
    return [
      ...(keys.length > 0 && keys.every((key) => agent.metadata?.labels?.[key] !== undefined)
        ? []
        : [`${nameOf(monitor)} selects no agent`]),
      ...(monitor.metadata.namespace === agent.metadata?.namespace
        ? []
        : [`${nameOf(monitor)} is in another namespace than agents`]),
      ...podMetricsEndpoints
        .filter(({ port }) => !names.includes(port))
        .map(({ port }) => `${nameOf(monitor)}: no port ${port}`),
    ]
  })
}

export function monitorsThatScrapeNothing(set: ManifestSet): string[] {
  return [...serviceMonitorsThatScrapeNothing(set), ...podMonitorsThatScrapeNothing(set)]
}

function serviceMonitorsThatScrapeNothing(set: ManifestSet): string[] {
  return ofKind<ServiceMonitor>(set, 'ServiceMonitor').flatMap((monitor) => {
    const { selector, namespaceSelector, endpoints } = monitor.spec
    const namespaces = namespaceSelector?.matchNames ?? [monitor.metadata.namespace ?? '']
    const services = ofKind<V1Service>(set, 'Service').filter(
      ({ metadata }) =>
        namespaces.includes(metadata.namespace ?? '') && fits(selector.matchLabels, metadata.labels),
    )
    if (services.length === 0) return [`${nameOf(monitor)} selects no Service`]
    const names = services.flatMap(({ spec }) => spec?.ports?.map(({ name }) => name) ?? [])
    return endpoints.flatMap(({ port }) =>
      names.includes(port) ? [] : [`${nameOf(monitor)}: no port ${port}`],
    )
  })
}

/** Both ways to scrape: annotations of the pods, and monitors where monitoring is added. */
export function metricsByOneWayOnly(set: ManifestSet): string[] {
  const deployments = ofKind<V1Deployment>(set, 'Deployment').filter(({ metadata }) =>
    ['session-management-server', 'agent-webhook'].includes(metadata.name),
  )
  const intervals = [
    ...ofKind<ServiceMonitor>(set, 'ServiceMonitor').map((of) => ({ of, endpoints: of.spec.endpoints })),
    ...ofKind<PodMonitor>(set, 'PodMonitor').map((of) => ({ of, endpoints: of.spec.podMetricsEndpoints })),
  ]
  return [
    ...deployments.flatMap((deployment) => {
      const { metadata, spec } = deployment.spec?.template ?? {}
      const ports = spec?.containers.flatMap(({ ports = [] }) =>
        ports.map(({ name, containerPort }) => name === 'ops' && containerPort),
      )
      const { annotations = {} } = metadata ?? {}
      const isScraped =
        annotations['prometheus.io/scrape'] === 'true' &&
        ports?.includes(Number(annotations['prometheus.io/port']))
      return isScraped ? [] : [`the pods of ${nameOf(deployment)} have no annotations to be scraped by`]
    }),
    ...intervals
      .filter(({ endpoints }) => endpoints.some(({ interval }) => interval !== '15s'))
      .map(({ of }) => `${nameOf(of)} has another interval than 15s`),
  ]
}

export function ingressesWithoutClass(set: ManifestSet): string[] {
  return ofKind<V1Ingress>(set, 'Ingress').flatMap((ingress) => [
    ...(ingress.metadata.annotations?.['kubernetes.io/ingress.class'] === undefined
      ? []
      : [`${nameOf(ingress)} has the old annotation`]),
    ...(ingress.spec?.ingressClassName ? [] : [`${nameOf(ingress)} has no ingressClassName`]),
  ])
}

/** 7881 is ICE over TCP; UDP has a port of its own. */
export function liveKitPortsOfTheDocuments(set: ManifestSet): string[] {
  const inPods = workloads(set)
    .filter(({ object }) => object.metadata.name === 'livekit')
    .flatMap(({ object, template }) =>
      (template.spec?.containers ?? []).map(({ ports = [] }) => ({
        where: nameOf(object),
        ports: ports.map(({ containerPort, protocol }) => `${containerPort}/${protocol}`),
      })),
    )
  const inServices = ofKind<V1Service>(set, 'Service')
    .filter(({ metadata }) => metadata.name === 'livekit')
    .map((service) => ({
      where: nameOf(service),
      ports: service.spec?.ports?.map(({ port, protocol }) => `${port}/${protocol}`) ?? [],
    }))
  return [...inPods, ...inServices].flatMap(({ where, ports }) =>
    ports.join() === '7880/TCP,7881/TCP,7882/UDP' ? [] : [`${where} has ${ports.join()}`],
  )
}

/** Every Service leads to pods of the set, and to ports that they have. */
export function servicesThatLeadNowhere(set: ManifestSet): string[] {
  return ofKind<V1Service>(set, 'Service').flatMap((service) => {
    const { selector, ports = [] } = service.spec ?? {}
    const pods = workloads(set).filter(
      ({ object, template }) =>
        object.metadata.namespace === service.metadata.namespace && fits(selector, template.metadata?.labels),
    )
    if (pods.length === 0) return [`${nameOf(service)} selects no pod`]
    const open = pods.flatMap(({ template }) =>
      (template.spec?.containers ?? []).flatMap((container) =>
        (container.ports ?? []).flatMap(({ name, containerPort }) => [name, containerPort]),
      ),
    )
    return ports
      .filter(({ port, targetPort }) => !open.includes(targetPort ?? port))
      .map(({ port, targetPort }) => `${nameOf(service)}: no pod has port ${targetPort ?? port}`)
  })
}
