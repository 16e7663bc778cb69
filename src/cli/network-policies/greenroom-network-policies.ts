import { agentPort, webhookName, webhookNamespace } from '../../domain/names.ts'
import { agentPolicies } from './agent-policies.ts'
import type { ExplainedPolicy, ExplainedRule } from './explained-policy.ts'
import {
  agents,
  component,
  dns,
  liveKitPeer,
  metricsFor,
  namespaceOf,
  storePeer,
  tcp,
} from './network-peers.ts'
import type { NetworkSettings, StorePlace } from './network-settings.ts'

/** All policies of Greenroom for these settings, always the same names: an overlay's patch replaces each of the base's. */
export function greenroomNetworkPolicies(settings: NetworkSettings): ExplainedPolicy[] {
  return [
    {
      name: 'default-deny',
      namespace: 'ai-agents',
      why: `No pod in ai-agents has network access unless a policy below allows it, whatever its labels. Rights go by the label
greenroom.dev/component, which admission gives to Greenroom's own pods and to no other. "greenroom network-policies" prints this file, and with options
one that names your LiveKit, stores and API server: docs/identity.md.`,
      podSelector: {},
      policyTypes: ['Ingress', 'Egress'],
    },
    ...agentPolicies(settings),
    sessionServer(settings),
    migration(settings),
    {
      name: 'default-deny',
      namespace: webhookNamespace,
      why: `No pod in greenroom-system has network access unless the policy below allows it. People who run agents may create no pod
here, so the label app is enough.`,
      podSelector: {},
      policyTypes: ['Ingress', 'Egress'],
    },
    webhook(settings),
  ]
}

const sessionPort = 3000
const opsPort = 3001
const webhookPort = 8443
const webhookOpsPort = 3002
/** Of API servers: the usual, kubeadm, minikube, MicroK8s. */
const apiServerPorts = [443, 6443, 8443, 16_443]

const sessionServerPods = component('session-management-server').podSelector ?? {}
const webhookPods = { matchLabels: { app: webhookName } }

const anywhere: readonly ExplainedRule[] = [{ rule: {} }]

function sessionServer(settings: NetworkSettings): ExplainedPolicy {
  const egress = knownEgress(settings)
  return {
    name: 'session-management-server',
    namespace: 'ai-agents',
    why: `The session server. In: requests from anywhere in the cluster (callers, ingress controllers, agents, LiveKit's webhooks);
metrics for Prometheus. ${
      egress
        ? 'Out: what is named here.'
        : 'Out: anywhere, LiveKit included, because only the operator knows the addresses that it is configured with.'
    }`,
    podSelector: sessionServerPods,
    policyTypes: ['Ingress', 'Egress'],
    ingress: [{ rule: { ports: tcp(sessionPort) } }, metricsFor(settings.monitoring, opsPort)],
    egress: egress ?? anywhere,
  }
}

/** undefined unless all that it has to reach is known. */
function knownEgress(settings: NetworkSettings): readonly ExplainedRule[] | undefined {
  const { apiServer, postgres, redis, liveKit } = settings
  if (apiServer.length === 0 || postgres.length === 0 || redis.length === 0) return undefined
  const peers = liveKit.map((place) => ({ place, peer: liveKitPeer(place) }))
  if (peers.some(({ peer }) => !peer)) return undefined
  return [
    { rule: dns },
    {
      why: 'How the webhook is, for GET /v1/status.',
      rule: {
        to: [{ ...namespaceOf(webhookNamespace), podSelector: webhookPods }],
        ports: tcp(webhookOpsPort),
      },
    },
    { why: 'Assignments.', rule: { to: [{ podSelector: agents }], ports: tcp(agentPort) } },
    ...toApiServer(settings),
    ...toStores(postgres, 'postgres'),
    ...toStores(redis, 'redis'),
    ...peers.flatMap(({ place, peer }) =>
      peer ? [{ why: 'LiveKit.', rule: { to: [peer], ports: tcp(place.port) } }] : [],
    ),
  ]
}

function migration({ postgres }: NetworkSettings): ExplainedPolicy {
  const isKnown = postgres.length > 0
  return {
    name: 'greenroom-migrate',
    namespace: 'ai-agents',
    why: isKnown
      ? 'The migration. Out: DNS and the database.'
      : 'The migration. Out: anywhere, as only the operator knows where the database is.',
    podSelector: component('greenroom-migrate').podSelector ?? {},
    policyTypes: ['Egress'],
    egress: isKnown ? [{ rule: dns }, ...toStores(postgres, 'postgres')] : anywhere,
  }
}

function webhook(settings: NetworkSettings): ExplainedPolicy {
  const isKnown = settings.apiServer.length > 0
  return {
    name: webhookName,
    namespace: webhookNamespace,
    why: `In: reviews and the kubelet's probes from anywhere, because the API server has no label and no address that we know; metrics
for Prometheus. Out: DNS and the API server${
      isKnown
        ? '.'
        : `, whose address only the operator knows. So any address, but only the usual ports
of API servers: 443, 6443, 8443 (minikube) and 16443 (MicroK8s).`
    }`,
    podSelector: webhookPods,
    policyTypes: ['Ingress', 'Egress'],
    ingress: [
      { rule: { ports: tcp(webhookPort) } },
      metricsFor(settings.monitoring, webhookOpsPort),
      {
        why: 'GET /status and /admission, for the same of the session server. Nobody else gets the label of that component.',
        rule: {
          from: [{ ...namespaceOf('ai-agents'), podSelector: sessionServerPods }],
          ports: tcp(webhookOpsPort),
        },
      },
    ],
    egress: [
      { rule: dns },
      ...(isKnown ? toApiServer(settings) : [{ rule: { ports: tcp(...apiServerPorts) } }]),
    ],
  }
}

function toApiServer({ apiServer }: NetworkSettings): readonly ExplainedRule[] {
  return apiServer.map(({ cidr, ports }) => ({
    why: 'The API server.',
    rule: { to: [{ ipBlock: { cidr } }], ports: tcp(...ports) },
  }))
}

function toStores(places: readonly StorePlace[], name: string): readonly ExplainedRule[] {
  return places.map((place) => ({ rule: { to: [storePeer(place, name)], ports: tcp(place.port) } }))
}
