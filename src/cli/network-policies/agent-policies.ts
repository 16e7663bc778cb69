import { agentPort } from '../../domain/names.ts'
import type { ExplainedPolicy, ExplainedRule } from './explained-policy.ts'
import {
  agents,
  component,
  dns,
  internetWithout,
  liveKitPeer,
  metricsFor,
  samePort,
  tcp,
  udp,
} from './network-peers.ts'
import type { LiveKitPlace, NetworkSettings } from './network-settings.ts'

/** What agents reach, whoever made them: nothing that another agent, a store or the API server is behind. */
export function agentPolicies(settings: NetworkSettings): ExplainedPolicy[] {
  return [
    {
      name: 'agent-network-policy',
      namespace: 'ai-agents',
      why: `Agents, whoever made them. In: assignments from the session server, so callers meet them in LiveKit, and Prometheus, whose
requests no agent takes for an assignment; the kubelet's probes are never filtered. Out: DNS, LiveKit, and the session server to renew
and finish. No rule leads to Redis, PostgreSQL, the API server or another agent.`,
      podSelector: agents,
      policyTypes: ['Ingress', 'Egress'],
      ingress: [
        { rule: { from: [component('session-management-server')], ports: tcp(agentPort) } },
        metricsFor(settings.monitoring, agentPort),
      ],
      egress: [
        { rule: dns },
        { rule: { to: [component('session-management-server')], ports: tcp(3000) } },
        ...knownLiveKit(settings),
      ],
    },
    {
      name: 'agent-internet',
      namespace: 'ai-agents',
      why: `Agents to the internet. Without private addresses, those of this host, carrier-grade NAT, loopback, link-local (metadata of the
cloud), protocol assignments, benchmarks, multicast, reserved and broadcast. All global unicast of IPv6 begins with 2 or 3, so
loopback, mapped addresses, NAT64, unique local and link-local are out; 2001::/32 and 2002::/16 are tunnels that carry IPv4
addresses. An API server with a public endpoint must be named (--api-server), because only you know its addresses.`,
      podSelector: agents,
      policyTypes: ['Egress'],
      egress: internet(settings),
    },
  ]
}

/** Signalling, then media. Places with one port are one rule. */
function knownLiveKit({ liveKit, liveKitMedia }: NetworkSettings): ExplainedRule[] {
  const known = Map.groupBy(
    liveKit.filter((place) => place.in !== 'public'),
    ({ port }) => port,
  )
  return [...known].map(([port, places]) => ({
    why: 'LiveKit: signalling, then media, over TCP and UDP.',
    rule: {
      to: places.flatMap((place) => liveKitPeer(place) ?? []),
      ports: [...tcp(port), ...liveKitMedia.filter((media) => !samePort(media, port))],
    },
  }))
}

function internet(settings: NetworkSettings): ExplainedRule[] {
  const { liveKit, liveKitMedia, modelProviders, outOfReach, apiServer } = settings
  const to = internetWithout([...apiServer.map(({ cidr }) => cidr), ...outOfReach])
  const signalling = new Set(liveKit.filter(isPublic).map(({ port }) => port))
  return [
    ...(modelProviders ? [{ why: 'Model providers.', rule: { to, ports: tcp(443) } }] : []),
    ...(signalling.size === 0
      ? []
      : [
          {
            why: 'A LiveKit that is there, its cloud included: signalling, TURN over 443 and 3478, media.',
            rule: {
              to,
              ports: [...tcp(...signalling.add(443)), ...udp(443, 3478), ...liveKitMedia],
            },
          },
        ]),
  ]
}

function isPublic(place: LiveKitPlace): boolean {
  return place.in === 'public'
}
