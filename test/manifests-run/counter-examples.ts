import type {
  V1Container,
  V1Deployment,
  V1Ingress,
  V1NetworkPolicy,
  V1PodDisruptionBudget,
  V1Service,
} from '@kubernetes/client-node'
import { adding, type Breaking, breaking, removing, rewording } from './check.ts'

/** For each contradiction what the source documents have, or what is as wrong: every check must find it. */

export interface CounterExample {
  readonly set: string
  readonly broken: Breaking
  readonly finds: RegExp
}

const base = 'manifests/base'
const dev = 'manifests/overlays/dev'
const prod = 'manifests/overlays/prod'

function container(deployment: V1Deployment): V1Container {
  const [first] = deployment.spec?.template.spec?.containers ?? []
  if (!first) throw new Error('a workload without a container')
  return first
}

function env(deployment: V1Deployment) {
  return (container(deployment).env ??= [])
}

const policy = (from: string, to: string) => rewording('agent-policy', 'policy.yaml', from, to)
const pools = (from: string, to: string) => rewording('agent-pools', 'pools.yaml', from, to)

export const counterExamples: Readonly<Record<string, readonly CounterExample[]>> = {
  C1: [
    {
      set: base,
      broken: policy('appLabel: conversational-ai-agent', 'appLabel: agent'),
      finds: /appLabel is agent/,
    },
  ],
  C2: [
    {
      set: base,
      broken: pools('image: greenroom:', 'image: conversational-ai-server:'),
      finds: /does not allow/,
    },
  ],
  C3: [
    {
      set: base,
      broken: adding({
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name: 'agent-1', namespace: 'ai-agents', labels: { 'agent-type': 'stella-agent' } },
      }),
      finds: /Pod agent-1 is of one session/,
    },
    {
      set: base,
      broken: adding({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'agent-secret-1' } }),
      finds: /Secret agent-secret-1/,
    },
  ],
  C4: [{ set: base, broken: policy('path: /ready,', 'path: /connected,'), finds: /is ready by \/connected/ }],
  C6: [
    {
      set: base,
      broken: breaking<V1NetworkPolicy>('NetworkPolicy', 'agent-network-policy', ({ spec }) => {
        const [dns] = spec?.egress ?? []
        if (dns) dns.ports = [{ protocol: 'UDP', port: 53 }]
      }),
      finds: /agents do not reach 53\/TCP/,
    },
    {
      set: base,
      broken: breaking<V1NetworkPolicy>('NetworkPolicy', 'agent-network-policy', ({ spec }) => {
        spec?.ingress?.push({ ports: [{ protocol: 'TCP', port: 8080 }] })
      }),
      finds: /somebody but the session server and Prometheus reaches agents/,
    },
  ],
  C7: [
    {
      set: 'examples/alfred/overlays/dev',
      broken: breaking<V1NetworkPolicy>('NetworkPolicy', 'agent-core', ({ spec }) => {
        if (spec) spec.egress = [{ to: [{ podSelector: { matchLabels: { app: 'alfred-platform' } } }] }]
      }),
      finds: /agent-core: no DNS, 53\/UDP/,
    },
  ],
  C8: [
    { set: base, broken: pools('max: 10', 'max: 80'), finds: /holds \d+ of 80 pods of echo-agent/ },
    {
      set: base,
      broken: pools('min: 2\n    max: 10', 'min: 80\n    max: 80'),
      finds: /does not hold the idle pods/,
    },
  ],
  C9: [
    { set: dev, broken: pools('min: 2\n    max: 6', 'min: 60\n    max: 60'), finds: /requests more cpu/ },
    { set: dev, broken: pools('min: 2', 'min: 3'), finds: /3 echo agents are kept/ },
  ],
  C11: [
    {
      set: base,
      broken: breaking<V1Deployment>('Deployment', 'session-management-server', ({ spec }) => {
        if (spec) spec.replicas = 5
      }),
      finds: /has replicas/,
    },
  ],
  C12: [
    {
      set: base,
      broken: breaking<V1PodDisruptionBudget>('PodDisruptionBudget', 'agent-webhook', (budget) => {
        budget.spec = { minAvailable: 2, selector: {} }
      }),
      finds: /agent-webhook has no maxUnavailable/,
    },
  ],
  C13: [
    {
      set: base,
      broken: breaking<V1Deployment>('Deployment', 'agent-webhook', (deployment) => {
        container(deployment).readinessProbe = { httpGet: { path: '/health', port: 'https' } }
      }),
      finds: /is probed at .*\/health/,
    },
  ],
  C14: [
    {
      set: 'examples/sekha/rendered',
      broken: breaking<V1Service>('Service', 'sekha-controller', ({ spec }) => {
        for (const port of spec?.ports ?? []) delete port.name
      }),
      finds: /no port http/,
    },
    {
      set: prod,
      broken: breaking<V1Service>('Service', 'session-management-server-ops', ({ metadata }) => {
        delete metadata.labels
      }),
      finds: /ServiceMonitor session-management-server selects no Service/,
    },
    {
      set: prod,
      broken: breaking<{ spec: { podMetricsEndpoints: { port: string }[] } }>(
        'PodMonitor',
        'agents',
        ({ spec }) => {
          for (const endpoint of spec.podMetricsEndpoints) endpoint.port = 'metrics'
        },
      ),
      finds: /PodMonitor agents: no port metrics/,
    },
  ],
  C15: [
    {
      set: base,
      broken: breaking<V1Deployment>('Deployment', 'session-management-server', ({ spec }) => {
        delete spec?.template.metadata?.annotations
      }),
      finds: /session-management-server have no annotations/,
    },
    {
      set: base,
      broken: breaking<V1Deployment>('Deployment', 'agent-webhook', ({ spec }) => {
        const { annotations = {} } = spec?.template.metadata ?? {}
        annotations['prometheus.io/port'] = '8443'
      }),
      finds: /agent-webhook have no annotations/,
    },
  ],
  C16: [
    {
      set: prod,
      broken: breaking<V1Ingress>('Ingress', 'session-management-server', ({ metadata, spec }) => {
        metadata.annotations = { 'kubernetes.io/ingress.class': 'nginx' }
        delete spec?.ingressClassName
      }),
      finds: /old annotation[^]*no ingressClassName/,
    },
  ],
  C18: [
    {
      set: 'manifests/components/backup',
      broken: adding({
        apiVersion: 'snapshot.storage.k8s.io/v1',
        kind: 'VolumeSnapshot',
        metadata: { name: 'postgres' },
        spec: { source: { persistentVolumeClaimName: 'postgres-data' } },
      }),
      finds: /is of postgres-data, which is not there/,
    },
  ],
  C19: [
    {
      set: prod,
      broken: breaking<{ apiVersion: string }>('ExternalSecret', 'greenroom-migrate', (secret) => {
        secret.apiVersion = 'external-secrets.io/v1beta1'
      }),
      finds: /is external-secrets\.io\/v1beta1/,
    },
  ],
  C20: [
    {
      set: prod,
      broken: breaking<V1Deployment>('Deployment', 'session-management-server', (deployment) => {
        env(deployment).push({ name: 'DATABASE_URL', value: 'postgresql://app:app@postgres:5432/app' })
      }),
      finds: /has a password in an address/,
    },
    {
      set: dev,
      broken: breaking<V1Deployment>('StatefulSet', 'postgres', (database) => {
        env(database).push({ name: 'POSTGRES_PASSWORD', value: 'app' })
      }),
      finds: /has a value for POSTGRES_PASSWORD/,
    },
    {
      set: dev,
      broken: breaking<{ kind: string }>('StatefulSet', 'postgres', (database) => {
        database.kind = 'Deployment'
      }),
      finds: /is no StatefulSet/,
    },
  ],
  C21: [{ set: base, broken: removing('Job', 'greenroom-migrate-0-1-0'), finds: /0 Jobs migrate/ }],
  C22: [
    {
      set: dev,
      broken: adding({
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { name: 'postgres' },
        data: { POSTGRES_PASSWORD: 'YXBw' },
      }),
      finds: /Secret postgres has values/,
    },
  ],
  C23: [
    {
      set: dev,
      broken: breaking<V1Deployment>('Deployment', 'redis', (deployment) => {
        env(deployment).push({ name: 'LIVEKIT_API_SECRET' })
      }),
      finds: /Deployment redis has LIVEKIT_API_SECRET/,
    },
  ],
  C24: [
    {
      set: dev,
      broken: breaking<V1Service>('Service', 'livekit', ({ spec }) => {
        const port = spec?.ports?.find(({ port }) => port === 7881)
        if (port) port.protocol = 'UDP'
      }),
      finds: /Service livekit has 7880\/TCP,7881\/UDP/,
    },
  ],
  C25: [
    {
      set: dev,
      broken: breaking<V1Deployment>('Deployment', 'livekit', (deployment) => {
        container(deployment).args = ['--dev']
      }),
      finds: /has --dev/,
    },
    {
      set: dev,
      broken: rewording('livekit', 'livekit.yaml', 'bind_addresses: ["0.0.0.0"]', ''),
      finds: /binds no address/,
    },
  ],
  C26: [
    {
      set: dev,
      broken: breaking<V1Deployment>('Deployment', 'session-management-server', (deployment) => {
        container(deployment).env = env(deployment).filter(({ name }) => name !== 'GREENROOM_TRY_PAGE')
      }),
      finds: /no page to try/,
    },
  ],
  C27: [
    {
      set: 'examples/sekha/rendered',
      broken: breaking<V1Deployment>('Deployment', 'sekha-controller', (deployment) => {
        container(deployment).image = 'sekha-ai/sekha-controller:1.1.0'
      }),
      finds: /sekha-ai\/sekha-controller:1\.1\.0 is sekhaha\//,
    },
    {
      set: 'examples/station/overlays/k3s',
      broken: breaking<V1Deployment>('Deployment', 'station', (deployment) => {
        for (const { valueFrom } of env(deployment))
          if (valueFrom?.secretKeyRef) delete valueFrom.secretKeyRef.optional
      }),
      finds: /does not start without GEMINI_API_KEY/,
    },
  ],
  C28: [
    {
      set: 'examples/station/overlays/production',
      broken: breaking<V1Deployment>('Deployment', 'station', ({ spec }) => {
        if (spec) spec.replicas = 3
      }),
      finds: /is recreated and has 3 replicas/,
    },
    {
      set: base,
      broken: breaking<V1Deployment>('Deployment', 'session-management-server', ({ spec }) => {
        if (spec) spec.strategy = { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 1 } }
      }),
      finds: /rolls without 1 more and 0 less/,
    },
  ],
  C31: [
    {
      set: 'examples/sekha/rendered',
      broken: breaking<V1Deployment>('Deployment', 'sekha-controller', (deployment) => {
        container(deployment).image = 'sekhaha/sekha-controller:latest'
      }),
      finds: /runs sekhaha\/sekha-controller:latest/,
    },
    {
      set: dev,
      broken: pools('image: greenroom:0.1.0', 'image: greenroom'),
      finds: /pool echo-agent runs greenroom/,
    },
  ],
}
