import type {
  V1Deployment,
  V1Ingress,
  V1NetworkPolicy,
  V1NetworkPolicyEgressRule,
  V1Service,
} from '@kubernetes/client-node'
import { fits, type ManifestSet, nameOf, ofKind, workloads } from '../manifest-set.ts'

/** Who reaches whom, and by which ports and names. */

/** Where agents are: DNS over both protocols, LiveKit at its ports, and nobody reaches them but the session server. */
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
    .filter((rule) => !JSON.stringify(rule).includes('session-management-server'))
  return [
    ...missing.map((port) => `agents do not reach ${port}`),
    ...(open ? ['agents reach anything'] : []),
    ...callers.map(() => 'somebody but the session server reaches agents'),
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

export function monitorsThatScrapeNothing(set: ManifestSet): string[] {
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

/** Both ways to scrape: annotations of the pods, and a ServiceMonitor where monitoring is added. */
export function metricsByOneWayOnly(set: ManifestSet): string[] {
  const server = ofKind<V1Deployment>(set, 'Deployment').find(
    ({ metadata }) => metadata.name === 'session-management-server',
  )
  if (!server) return []
  const { metadata, spec } = server.spec?.template ?? {}
  const port = Number(metadata?.annotations?.['prometheus.io/port'])
  const ports = spec?.containers.flatMap(({ ports = [] }) => ports.map(({ containerPort }) => containerPort))
  const monitors = ofKind<ServiceMonitor>(set, 'ServiceMonitor')
  return [
    ...(metadata?.annotations?.['prometheus.io/scrape'] === 'true' && ports?.includes(port)
      ? []
      : ['the pods of the session server have no annotations to be scraped by']),
    ...monitors
      .filter(({ spec: { endpoints } }) => endpoints.some(({ interval }) => interval !== '15s'))
      .map((monitor) => `${nameOf(monitor)} has another interval than 15s`),
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
