import { readFile, realpath, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import type { V1Pod } from '@kubernetes/client-node'
import { parse, parseAllDocuments, stringify } from 'yaml'
import { temporaryFolder } from '../../bed/processes/temporary-folder.ts'
import { until } from '../../bed/processes/until.ts'
import { startWebhookService } from '../../bed/replicas/webhook-service.ts'
import { root } from '../../bed/repository.ts'
import type { ControlPlane } from '../../bed/servers/control-plane.ts'
import type { KubectlOutcome } from '../../bed/servers/kubectl.ts'
import { type PolicyConfigMap, policyWith } from './example-policy.ts'

/** The systems of the source documents on a real API server with admission on. */

export const examples = join(root, 'examples')

export interface SystemsBed {
  readonly plane: ControlPlane
  /** Applies a folder strictly, a field that the API server does not know fails; answers with what was applied. */
  applyStrictly(folder: string): Promise<readonly SystemObject[]>
  /** The same with objects that are built already. */
  applyObjects(objects: readonly SystemObject[]): Promise<void>
  /** The template of a Job that exists cannot be changed, so another overlay starts without it. */
  forgetJobs(namespace: string): Promise<void>
  /** A claim that exists keeps its access modes and class, so another overlay starts without it. */
  forgetClaims(namespace: string): Promise<void>
  /** What the API server and admission say of a pod of this workload, which is not created. */
  tryPodOf(workload: Workload): Promise<KubectlOutcome & { readonly pod: V1Pod | undefined }>
  stop(): Promise<void>
}

export interface SystemObject {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: {
    readonly name: string
    readonly namespace?: string
    readonly labels?: Readonly<Record<string, string>>
  }
}
export interface Workload extends SystemObject {
  readonly spec: {
    readonly template: {
      readonly metadata?: object
      readonly spec: Readonly<Record<string, unknown>> & { readonly volumes?: readonly object[] }
    }
    readonly volumeClaimTemplates?: readonly { readonly metadata: { readonly name: string } }[]
  }
}

export async function startSystemsBed(folder: string, systems: readonly string[]): Promise<SystemsBed> {
  const service = await startWebhookService({ folder, replicas: 1 })
  const { plane } = service
  try {
    await plane.apply([join(root, 'test/fixtures/crds')])
    const crds = ['wait', '--for=condition=Established', 'crd', '--all', '--timeout=30s']
    await succeeds(plane, crds)
    await addToPolicy(plane, systems)
  } catch (error) {
    await service.stop()
    throw error
  }
  const namespaces = new Set<string>()
  async function applyObjects(objects: readonly SystemObject[]): Promise<void> {
    for (const { kind, metadata } of objects) {
      if (kind !== 'Namespace' || namespaces.has(metadata.name)) continue
      await plane.createNamespace(metadata.name, metadata.labels)
      namespaces.add(metadata.name)
    }
    const strict = ['apply', '--server-side', '--validate=strict', '--force-conflicts', '-f', '-']
    // The bed's own configurations lead to its webhook.
    const items = objects.filter(({ kind }) => !kind.endsWith('WebhookConfiguration'))
    const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items })
    const { code, stderr } = await plane.kubectl(strict, { input })
    if (code !== 0) throw new Error(stderr)
  }
  return {
    plane,
    applyObjects,
    async applyStrictly(folder) {
      const built = await succeeds(plane, ['kustomize', folder])
      const objects = parseAllDocuments(built).map((document) => document.toJS() as SystemObject)
      await applyObjects(objects)
      return objects
    },
    async forgetJobs(namespace) {
      await succeeds(plane, ['delete', 'job', '--all', '-n', namespace, '--wait=false'])
    },
    async forgetClaims(namespace) {
      const claims = await succeeds(plane, ['get', 'pvc', '-n', namespace, '-o', 'name'])
      for (const claim of claims.split('\n').filter((name) => name !== '')) {
        await succeeds(plane, ['delete', claim, '-n', namespace, '--wait=false'])
        // No controller runs here that would take the finalizer away.
        await succeeds(plane, ['patch', claim, '-n', namespace, '-p', '{"metadata":{"finalizers":null}}'])
      }
    },
    async tryPodOf(workload) {
      const create = ['create', '--dry-run=server', '-o', 'json', '-f', '-']
      const outcome = await plane.kubectl(create, { input: JSON.stringify(podOf(workload)) })
      return { ...outcome, pod: outcome.code === 0 ? (JSON.parse(outcome.stdout) as V1Pod) : undefined }
    },
    stop: () => service.stop(),
  }
}

/** A folder, gone at the end, that builds the base of a system with one of its components. */
export async function temporaryVariant(system: string, component: string) {
  const folder = await temporaryFolder('variant')
  // kustomize takes no absolute paths.
  const from = relative(await realpath(folder.path), join(examples, system))
  const kustomization = {
    apiVersion: 'kustomize.config.k8s.io/v1beta1',
    kind: 'Kustomization',
    resources: [`${from}/base`],
    components: [`${from}/components/${component}`],
  }
  await writeFile(join(folder.path, 'kustomization.yaml'), stringify(kustomization))
  return folder
}

/** The workloads whose pods a controller would make. */
export function workloadsOf(objects: readonly SystemObject[]): Workload[] {
  return objects.filter((object): object is Workload => /^(Deployment|StatefulSet)$/.test(object.kind))
}

/** The pod that the controller of the workload would make. */
function podOf({ metadata, spec }: Workload): object {
  const { template, volumeClaimTemplates = [] } = spec
  const volumes = volumeClaimTemplates.map(({ metadata: { name } }) => ({
    name,
    persistentVolumeClaim: { claimName: `${name}-${metadata.name}-0` },
  }))
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { ...template.metadata, name: `${metadata.name}-0`, namespace: metadata.namespace },
    spec: { ...template.spec, volumes: [...(template.spec.volumes ?? []), ...volumes] },
  }
}

async function addToPolicy(plane: ControlPlane, systems: readonly string[]): Promise<void> {
  const base = parse(
    await readFile(join(root, 'manifests/base/agent-policy.yaml'), 'utf8'),
  ) as PolicyConfigMap
  const version = 'systems'
  const input = JSON.stringify(await policyWith(base, systems, version))
  const { code, stderr } = await plane.kubectl(['apply', '--server-side', '-f', '-'], { input })
  if (code !== 0) throw new Error(stderr)
  await untilPolicySays(plane, `version: ${version}`)
}

/** The webhook keeps the policy that it has taken over. */
export async function untilPolicySays(plane: ControlPlane, text: string): Promise<void> {
  const args = ['get', 'configmap', 'agent-policy-accepted', '-n', 'ai-agents', '-o', 'yaml']
  await until(`a policy with ${text}`, async () => (await plane.kubectl(args)).stdout.includes(text))
}

async function succeeds(plane: ControlPlane, args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await plane.kubectl(args)
  if (code !== 0) throw new Error(`kubectl ${args.join(' ')}: ${stderr}`)
  return stdout
}
