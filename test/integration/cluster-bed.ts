import type { Test } from 'tap'
import { temporaryFolder } from '../../bed/processes/temporary-folder.ts'
import { startControlPlane } from '../../bed/servers/control-plane.ts'
import { loadKubeAccess } from '../../src/cluster/kube-access.ts'
import { createKubeClients, type KubeClients } from '../../src/cluster/kube-clients.ts'

/** The API server with an empty namespace, and the program's own clients for it. */
export async function startClusterBed(t: Test, name: string) {
  const folder = await temporaryFolder(name)
  const plane = await startControlPlane({ folder: folder.path })
  const access = await loadKubeAccess({ KUBECONFIG: plane.kubeconfigPath })
  const clients: KubeClients = createKubeClients({ access })
  const namespace = 'agents'
  await plane.createNamespace(namespace)
  t.teardown(async () => {
    clients.close()
    await plane.stop()
    await folder.remove()
  })
  return { plane, access, clients, namespace }
}
