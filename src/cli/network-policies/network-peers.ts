import { BlockList, isIPv6 } from 'node:net'
import type { V1NetworkPolicyPeer, V1NetworkPolicyPort } from '@kubernetes/client-node'
import { label } from '../../domain/names.ts'
import { notInternetIpv4 } from '../../domain/special-networks.ts'
import type { ExplainedRule, NetworkRule } from './explained-policy.ts'
import type { LiveKitPlace, Port, StorePlace } from './network-settings.ts'

/** Whom the policies name, and how. */

/** One of Greenroom's own pods, by the label that admission gives to no other. */
export function component(name: string): V1NetworkPolicyPeer {
  return { podSelector: { matchLabels: { [label.component]: name } } }
}

/** The name of a namespace is set by Kubernetes, so nobody can pretend it. */
export function namespaceOf(name: string) {
  return { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': name } } }
}

/** Prometheus, in these namespaces and in those with a label. People who run agents may write neither. */
export function metricsFor(monitoring: readonly string[], port: number): ExplainedRule {
  const labelled = { namespaceSelector: { matchLabels: { 'greenroom.dev/monitoring': 'enabled' } } }
  return {
    why: 'Metrics. People who run agents may write no label of a namespace.',
    rule: { from: [...monitoring.map(namespaceOf), labelled], ports: tcp(port) },
  }
}

export const agents = { matchExpressions: [{ key: label.agentType, operator: 'Exists' }] }

function clusterDns(): V1NetworkPolicyPeer {
  return { ...namespaceOf('kube-system'), podSelector: { matchLabels: { 'k8s-app': 'kube-dns' } } }
}

export function tcp(...ports: readonly number[]): V1NetworkPolicyPort[] {
  return ports.map((port) => ({ protocol: 'TCP', port }))
}

export function udp(...ports: readonly number[]): V1NetworkPolicyPort[] {
  return ports.map((port) => ({ protocol: 'UDP', port }))
}

export function samePort({ protocol, port, endPort }: Port, tcpPort: number): boolean {
  return protocol === 'TCP' && port === tcpPort && endPort === undefined
}

/** Answers that are too long for UDP come over TCP. */
export const dns: NetworkRule = { to: [clusterDns()], ports: [...udp(53), ...tcp(53)] }

/** undefined: only the internet is known of it. */
export function liveKitPeer(place: LiveKitPlace): V1NetworkPolicyPeer | undefined {
  if (place.in === 'component') return component('livekit')
  if (place.in === 'addresses') return { ipBlock: { cidr: place.cidr } }
  return place.in === 'namespace' ? { ...namespaceOf(place.name), podSelector: {} } : undefined
}

export function storePeer(place: StorePlace, name: string): V1NetworkPolicyPeer {
  return place.in === 'component' ? component(name) : { ipBlock: { cidr: place.cidr } }
}

/**
 * All global unicast of IPv6 begins with 2 or 3, so loopback, mapped addresses (::ffff:0:0/96), NAT64 (64:ff9b::/96 and
 * 64:ff9b:1::/48), unique local, link-local and multicast are out. Tunnels carry IPv4 addresses: Teredo, 6to4.
 */
const globalUnicast = '2000::/3'
const tunnels = ['2001::/32', '2002::/16']

/** The internet, without these blocks. */
export function internetWithout(blocks: readonly string[]): V1NetworkPolicyPeer[] {
  const own = (isSix: boolean, known: readonly string[]) =>
    blocks.filter((block) => isIPv6(block.split('/')[0] ?? '') === isSix && !isWithin(block, known))
  const six = own(true, tunnels).filter((block) => isWithin(block, [globalUnicast]))
  return [
    { ipBlock: { cidr: '0.0.0.0/0', except: [...notInternetIpv4, ...own(false, notInternetIpv4)] } },
    { ipBlock: { cidr: globalUnicast, except: [...tunnels, ...six] } },
  ]
}

/** Whether one of the blocks holds the whole block. */
function isWithin(block: string, blocks: readonly string[]): boolean {
  const [net = '', prefix = ''] = block.split('/')
  const family = isIPv6(net) ? 'ipv6' : 'ipv4'
  return blocks.some((outer) => {
    const [outerNet = '', outerPrefix = ''] = outer.split('/')
    const list = new BlockList()
    list.addSubnet(outerNet, Number(outerPrefix), isIPv6(outerNet) ? 'ipv6' : 'ipv4')
    return Number(outerPrefix) <= Number(prefix) && list.check(net, family)
  })
}
