import { join } from 'node:path'
import t, { type Test } from 'tap'
import { temporaryFolder } from '../bed/processes/temporary-folder.ts'
import { root } from '../bed/repository.ts'
import { type ControlPlane, startControlPlane } from '../bed/servers/control-plane.ts'
import { greenroomUser } from './admission/pod-samples.ts'

/** The manifests as a real API server takes them, and the rights that they give. */

const manifests = join(root, 'manifests')
const base = join(manifests, 'base')

void t.test('a real API server takes them', async (t) => {
  await using folder = await temporaryFolder('manifests')
  const cluster = await startControlPlane({ folder: folder.path })
  try {
    await cluster.apply([join(base, 'namespace.yaml'), join(base, 'session-server/rbac.yaml')])
    for (const target of [base, join(manifests, 'overlays/dev')]) {
      const { code, stderr } = await cluster.kubectl([
        'apply',
        '--server-side',
        '--dry-run=server',
        '-k',
        target,
      ])
      t.equal(code, 0, stderr)
      // The namespaces warn about pods that Pod Security "restricted" would refuse.
      t.notMatch(stderr, 'Warning')
    }
    await checkRights(t, cluster)
  } finally {
    await cluster.stop()
  }
})

async function checkRights(t: Test, cluster: ControlPlane): Promise<void> {
  const kubeconfig = await cluster.kubeconfigFor(greenroomUser)
  const may = async (request: string): Promise<boolean> =>
    (await cluster.kubectl(['auth', 'can-i', '--quiet', ...request.split(' ')], { kubeconfig })).code === 0
  const allowed = [
    ...['get', 'list', 'watch', 'create', 'patch', 'delete'].map((verb) => `${verb} pods -n ai-agents`),
    'patch pods --subresource=resize -n ai-agents',
    'create configmaps/agent-pools-accepted -n ai-agents',
    'watch configmaps/agent-pools -n ai-agents',
    'update configmaps/agent-pools-accepted -n ai-agents',
    'update leases/greenroom-controller -n ai-agents',
    'create events.events.k8s.io -n ai-agents',
  ]
  const forbidden = [
    'get secrets -n ai-agents',
    'list configmaps -n ai-agents',
    'create configmaps -n ai-agents',
    'update configmaps/agent-pools -n ai-agents',
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
  const watched = await cluster.kubectl(
    ['get', 'configmaps', '-n', 'ai-agents', '--field-selector', 'metadata.name=agent-pools'],
    { kubeconfig },
  )
  t.equal(watched.code, 0, `a list by name is allowed: ${watched.stderr}`)
}
