import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Test } from 'tap'
import { root } from '../../bed/repository.ts'
import type { ControlPlane } from '../../bed/servers/control-plane.ts'
import { greenroomUser } from '../admission/pod-samples.ts'
import { type SystemsBed, untilPolicySays, workloadsOf } from '../examples/systems-bed.ts'
import { buildAll, type ManifestSet } from './manifest-set.ts'

/** The manifests as a real API server with Greenroom's admission takes them, and the rights that they give. */

/** Applies every set below manifests/ strictly; what another one has brought already is not applied again. */
export async function appliesStrictly(t: Test, bed: SystemsBed): Promise<void> {
  const sets = (await buildAll()).filter(({ name }) => name.startsWith('manifests/'))
  const [base] = sets
  if (base?.name !== 'manifests/base') throw new Error('the base is not the first set')
  await bed.applyObjects(base.objects)
  await untilPolicySays(bed.plane, 'serviceAccount: postgres-backup')
  const applied = new Set<string>()
  for (const { name, objects } of sets) {
    const fresh = objects.filter((object) => !applied.has(JSON.stringify(object)))
    for (const object of fresh) applied.add(JSON.stringify(object))
    if (name !== base.name && fresh.length > 0) await bed.applyObjects(fresh)
    for (const workload of workloadsOf(fresh)) {
      if (workload.metadata.namespace !== 'ai-agents') continue
      const { pod, stderr } = await bed.tryPodOf(workload)
      t.ok(pod, `${name}: a pod of ${workload.metadata.name} is admitted${pod ? '' : `: ${stderr}`}`)
    }
  }
  await warnsOfNothing(t, bed.plane, base)
  await makesASnapshot(t, bed.plane)
}

/** With the webhook configurations, by another name: that one is the bed's. The namespaces warn about pods that Pod Security "restricted" would refuse. */
async function warnsOfNothing(t: Test, plane: ControlPlane, { objects }: ManifestSet): Promise<void> {
  const items = objects.map((object) =>
    object.kind.endsWith('WebhookConfiguration')
      ? { ...object, metadata: { ...object.metadata, name: 'another' } }
      : object,
  )
  const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items })
  const again = ['apply', '--server-side', '--force-conflicts', '--dry-run=server', '-f', '-']
  const { code, stderr } = await plane.kubectl(again, { input })
  t.equal(code, 0, stderr)
  t.notMatch(stderr, 'Warning')
}

/** An installation that had `replicas` keeps its servers when the HPA takes over, by the command of the page. */
export async function handsReplicasOver(t: Test, plane: ControlPlane): Promise<void> {
  const page = await readFile(join(root, 'docs/operate/upgrade.md'), 'utf8')
  const [, options = '', document = ''] =
    /^kubectl (apply .*handover.*) -f - <<'EOF'\n([^]*?)^EOF$/m.exec(page) ?? []
  const server = (await buildAll())[0]?.objects.find(
    ({ kind, metadata }) => kind === 'Deployment' && metadata.name === 'session-management-server',
  )
  const named = (name: string, more: object) => ({
    ...server,
    metadata: { ...server?.metadata, name },
    spec: { ...(server?.spec as object), ...more },
  })
  const apply = async (args: readonly string[], input: string) => {
    const { code, stderr } = await plane.kubectl([...args, '-f', '-'], { input })
    t.equal(code, 0, stderr)
  }
  const ours = ['apply', '--server-side']
  for (const [name, left] of [
    ['given-away', '2'],
    ['kept', '1'],
  ] as const) {
    await apply(ours, JSON.stringify(named(name, { replicas: 2 })))
    if (name === 'given-away')
      await apply(options.split(' '), document.replace('session-management-server', name))
    await apply(ours, JSON.stringify(named(name, {})))
    const get = ['get', 'deployment', name, '-n', 'ai-agents', '-o', 'jsonpath={.spec.replicas}']
    t.equal((await plane.kubectl(get)).stdout, left, name)
  }
}

/** It has a name of its own each time, so kustomize cannot build it. */
async function makesASnapshot(t: Test, plane: ControlPlane): Promise<void> {
  const file = join(root, 'manifests/components/backup/volume-snapshot.yaml')
  const { code, stdout, stderr } = await plane.kubectl([
    'create',
    '--validate=strict',
    '-f',
    file,
    '-o',
    'json',
  ])
  t.equal(code, 0, stderr)
  const { spec } = JSON.parse(stdout) as { spec: { source: { persistentVolumeClaimName: string } } }
  t.equal(spec.source.persistentVolumeClaimName, 'data-postgres-0')
}

/** What the session server may do, and what not. */
export async function givesTheseRights(t: Test, plane: ControlPlane): Promise<void> {
  const kubeconfig = await plane.kubeconfigFor(greenroomUser)
  const may = async (request: string): Promise<boolean> =>
    (await plane.kubectl(['auth', 'can-i', '--quiet', ...request.split(' ')], { kubeconfig })).code === 0
  const allowed = [
    ...['get', 'list', 'watch', 'create', 'patch', 'delete'].map((verb) => `${verb} pods -n ai-agents`),
    'patch pods --subresource=resize -n ai-agents',
    'create configmaps/agent-pools-accepted -n ai-agents',
    'watch configmaps/agent-pools -n ai-agents',
    // For those whose own right it asks for (ADR 39).
    'update configmaps/agent-pools -n ai-agents',
    'create localsubjectaccessreviews.authorization.k8s.io -n ai-agents',
    'update configmaps/agent-pools-accepted -n ai-agents',
    'update leases/greenroom-controller -n ai-agents',
    'create events.events.k8s.io -n ai-agents',
  ]
  const forbidden = [
    'get secrets -n ai-agents',
    'list configmaps -n ai-agents',
    'create configmaps -n ai-agents',
    'delete configmaps/agent-pools -n ai-agents',
    'update configmaps/agent-policy -n ai-agents',
    'update configmaps/agent-policy-accepted -n ai-agents',
    'create pods --subresource=exec -n ai-agents',
    'update pods --subresource=status -n ai-agents',
    'deletecollection pods -n ai-agents',
    'get pods -n kube-system',
    'get pods -n greenroom-system',
    'list namespaces',
  ]
  await Promise.all([
    ...allowed.map(async (request) => t.ok(await may(request), `may ${request}`)),
    ...forbidden.map(async (request) => t.notOk(await may(request), `may not ${request}`)),
  ])
  const watched = await plane.kubectl(
    ['get', 'configmaps', '-n', 'ai-agents', '--field-selector', 'metadata.name=agent-pools'],
    { kubeconfig },
  )
  t.equal(watched.code, 0, `a list by name is allowed: ${watched.stderr}`)
}
