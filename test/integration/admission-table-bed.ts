import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { CoreV1Api, type V1Container, type V1Pod } from '@kubernetes/client-node'
import type { Test } from 'tap'
import { parse, stringify } from 'yaml'
import { root } from '../../bed/repository.ts'
import type { PolicyDocument } from '../../src/admission/policy/policy-document.ts'
import { acceptedPolicy, policyTextOf } from '../admission/pod-samples.ts'
import { startAdmissionBed } from './admission-bed.ts'

/** A cluster with what the rows of a table speak of, a policy with a row for each, and another team's webhook. */

export const namespace = 'ai-agents'
const enabled = { 'pod-security.kubernetes.io/enforce': 'restricted', 'greenroom.dev/agents': 'enabled' }
const cluster = `
apiVersion: scheduling.k8s.io/v1
kind: PriorityClass
metadata: { name: ai-agents }
value: 1000
preemptionPolicy: Never
---
apiVersion: scheduling.k8s.io/v1
kind: PriorityClass
metadata: { name: standard }
value: 10
globalDefault: true
---
apiVersion: node.k8s.io/v1
kind: RuntimeClass
metadata: { name: sandbox }
handler: sandbox
overhead: { podFixed: { cpu: 10m, memory: 8Mi } }
---
apiVersion: v1
kind: ServiceAccount
metadata: { name: agents, namespace: ${namespace} }
---
apiVersion: v1
kind: LimitRange
metadata: { name: limits, namespace: ${namespace} }
spec:
  limits:
    - type: Container
      default: { cpu: 500m, memory: 1Gi }
      defaultRequest: { cpu: 100m, memory: 256Mi }
`
/** Another team's webhook: it runs after ours and changes what we have seen. */
const injector = `
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
metadata: { name: zz-mesh }
webhooks:
  - name: inject.mesh.example.org
    admissionReviewVersions: [v1]
    clientConfig: { service: { name: mesh, namespace: mesh, path: /inject, port: 443 } }
    rules: [{ operations: [CREATE], apiGroups: [""], apiVersions: [v1], resources: [pods], scope: Namespaced }]
    objectSelector: { matchLabels: { mesh: enabled } }
    reinvocationPolicy: IfNeeded
    sideEffects: None
    timeoutSeconds: 2
`

export async function startTableBed(t: Test) {
  const bed = await startAdmissionBed(t, {
    name: 'admission-table',
    policy: tablePolicy(),
    assignKeys: JSON.stringify({
      keys: [{ kid: 'k1', kty: 'OKP', crv: 'Ed25519', x: 'A'.repeat(43) }],
    }),
    stranger: {
      configuration: injector,
      addRoute: (server) => {
        server.post('/inject', async (request) => injected(request.body as InjectReview))
      },
    },
  })
  const { plane, folder } = bed
  await plane.createNamespace(namespace, enabled)
  await plane.createNamespace('trial', { 'greenroom.dev/agents': 'enabled' })
  const clusterPath = join(folder.path, 'cluster.yaml')
  await writeFile(clusterPath, cluster)
  await plane.apply([
    clusterPath,
    ...['priority-class.yaml', 'session-server/rbac.yaml'].map((path) => join(root, 'manifests/base', path)),
  ])
  const core = plane.admin().makeApiClient(CoreV1Api)
  return {
    ...bed,
    core,
    create: (body: V1Pod, within = namespace): Promise<V1Pod> =>
      core.createNamespacedPod({ namespace: within, body }),
    patchPod: (name: string, subresource: string, spec: object) => {
      const args = ['patch', 'pod', name, '-n', namespace, `--subresource=${subresource}`]
      return plane.kubectl([...args, `-p=${JSON.stringify({ spec })}`])
    },
  }
}

export function agentPod(
  agentType: string,
  container: Partial<V1Container> = {},
  spec: Partial<V1Pod['spec']> = {},
): V1Pod {
  return {
    metadata: { generateName: 'x-', labels: { 'agent-type': agentType } },
    spec: { containers: [{ name: 'agent', image: 'stella:1', ...container }], ...spec },
  }
}

export function labelled(pod: V1Pod, labels: Record<string, string>): V1Pod {
  Object.assign(pod.metadata?.labels ?? {}, labels)
  return pod
}
function tablePolicy(): PolicyDocument {
  const document = parse(policyTextOf('base/agent-policy.yaml'))
  const resources = {
    requests: { cpu: '100m', memory: '128Mi' },
    limits: { cpu: '1', memory: '1Gi' },
    min: { cpu: '50m' },
    max: { cpu: '2' },
  }
  document.agentTypes.ranged = { resources }
  document.agentTypes.placed = {
    resources,
    nodeAffinity: [{ key: 'workload-type', operator: 'In', values: ['ai-agents'] }],
    tolerations: [{ key: 'workload-type', value: 'ai-agents', effect: 'NoSchedule' }],
    allowedTolerations: [{ key: 'mine', operator: 'Exists' }],
    topologySpreadConstraints: [{ topologyKey: 'kubernetes.io/hostname' }],
    priorityClassName: 'ai-agents',
    runtimeClassName: 'sandbox',
    serviceAccountName: 'agents',
  }
  document.agentTypes.token = { resources, automountServiceAccountToken: true }
  document.agentTypes.devices = { resources, resourceClaimTemplates: ['one-gpu'] }
  document.agentTypes.pinned = { resources, images: { allowed: ['ghcr.io/acme/*'], digest: 'required' } }
  // Bare pods get the class too: `kubectl run` comes with the priority of none.
  document.agentTypes.default.priorityClassName = 'ai-agents'
  document.modes = { 'grace-period': 'warn' }
  document.rollout = { audit: ['trial'] }
  return acceptedPolicy(stringify(document))
}

interface InjectReview {
  readonly request: { readonly uid: string; readonly object: V1Pod }
}

function injected({ request: { uid, object } }: InjectReview): object {
  const answer = (response: object) => ({
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    response: { uid, allowed: true, ...response },
  })
  if (object.spec?.containers.some(({ name }) => name === 'mesh-proxy')) return answer({})
  const proxy = {
    name: 'mesh-proxy',
    image: 'mesh:1',
    volumeMounts: [{ name: 'mesh', mountPath: '/etc/mesh' }],
  }
  const patch = [
    { op: 'add', path: '/spec/containers/-', value: proxy },
    { op: 'add', path: '/spec/containers/0/env/0', value: { name: 'MESH', value: 'on' } },
    { op: 'add', path: '/spec/volumes/0', value: { name: 'mesh', emptyDir: { medium: 'Memory' } } },
    { op: 'add', path: '/metadata/annotations/mesh~1status', value: 'injected' },
  ]
  return answer({ patchType: 'JSONPatch', patch: Buffer.from(JSON.stringify(patch)).toString('base64') })
}
