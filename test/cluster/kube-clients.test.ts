import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { createKubeClients, loadKubeConfig } from '../../src/cluster/kube-clients.ts'
import { kubeConfigFor } from './fake-api-server.ts'

void t.test('the kubeconfig', async (t) => {
  const folder = t.testdir()
  const path = join(folder, 'config')
  t.throws(() => loadKubeConfig(path), { code: 'GRN_INVALID_CONFIG', message: /cannot be read/ })
  await writeFile(path, 'apiVersion: v1\nkind: Config\nclusters: []\nusers: []\ncontexts: []\n')
  t.throws(() => loadKubeConfig(path), { code: 'GRN_INVALID_CONFIG', message: /no current context/ })
  await writeFile(path, kubeConfigFor('http://127.0.0.1:9').exportConfig())
  t.equal(loadKubeConfig(path).getCurrentCluster()?.server, 'http://127.0.0.1:9')
})

void t.test('in a pod: the ServiceAccount; elsewhere: a sentence', (t) => {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = process.env
  t.teardown(() => {
    restore('KUBERNETES_SERVICE_HOST', host)
    restore('KUBERNETES_SERVICE_PORT', port)
  })
  delete process.env.KUBERNETES_SERVICE_HOST
  delete process.env.KUBERNETES_SERVICE_PORT
  t.throws(() => loadKubeConfig(undefined), { code: 'GRN_INVALID_CONFIG', message: /set KUBECONFIG/ })
  process.env.KUBERNETES_SERVICE_HOST = '10.0.0.1'
  process.env.KUBERNETES_SERVICE_PORT = '443'
  t.equal(loadKubeConfig(undefined).getCurrentCluster()?.server, 'https://10.0.0.1:443')
  t.end()
})

void t.test('every client says that nobody answers in the same way', async (t) => {
  const clients = createKubeClients({ kubeConfig: kubeConfigFor('http://127.0.0.1:1') })
  const expected = { name: 'KubeApiError', message: /cannot be reached/, status: undefined }
  const at = { namespace: 'n', name: 'x' }
  await t.rejects(clients.core.readNamespacedPod(at), expected)
  await t.rejects(clients.coordination.readNamespacedLease(at), expected)
  await t.rejects(clients.events.readNamespacedEvent(at), expected)
  clients.close()
})

function restore(name: string, value: string | undefined): void {
  if (value === undefined) delete process.env[name]
  else process.env[name] = value
}
