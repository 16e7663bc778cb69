import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
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
  await t.rejects(clients.admissionRegistration.readMutatingWebhookConfiguration(at), expected)
  clients.close()
})

void t.test('all clients share connections; only a Lease has less time', async (t) => {
  let accepted = 0
  const server = createServer((request, response) => {
    response.setHeader('content-type', 'application/json')
    if (!request.url?.includes('hang')) response.end('{}')
  }).on('connection', () => {
    accepted += 1
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const clients = createKubeClients({
    access: accessTo(`http://127.0.0.1:${(server.address() as AddressInfo).port}`),
    requestTimeoutMs: 60_000,
  })
  t.teardown(() => {
    clients.close()
    server.closeAllConnections()
    server.close()
  })
  const at = { namespace: 'n', name: 'x' }
  await clients.core.readNamespacedPod(at)
  await clients.coordination.readNamespacedLease(at)
  await clients.events.readNamespacedEvent(at)
  await clients.transport.getJson('/x')
  t.equal(accepted, 1)
  await t.rejects(
    clients.coordination.readNamespacedLease({ ...at, name: 'hang' }),
    /no answer within 3000 ms/,
  )
})
