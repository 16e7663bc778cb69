import t from 'tap'
import { createKubeClients } from '../../src/cluster/kube-clients.ts'
import { accessTo } from './fake-api-server.ts'

void t.test('every client says that nobody answers in the same way', async (t) => {
  const clients = createKubeClients({ access: accessTo('http://127.0.0.1:1') })
  const expected = { name: 'KubeApiError', message: /cannot be reached/, status: undefined }
  const at = { namespace: 'n', name: 'x' }
  await t.rejects(clients.core.readNamespacedPod(at), expected)
  await t.rejects(clients.coordination.readNamespacedLease(at), expected)
  await t.rejects(clients.events.readNamespacedEvent(at), expected)
  clients.close()
})
