import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { V1MicroTime } from '@kubernetes/client-node'
import t, { type Test } from 'tap'
import { createCertificateSecret } from '../../src/cluster/certificate-secret.ts'
import { createKubeClients } from '../../src/cluster/kube-clients.ts'
import { createWebhookTrust } from '../../src/cluster/webhook-trust.ts'
import { accessTo, statusBody } from './fake-api-server.ts'

/** What these send and what they make of answers; that the API server takes it is test/integration's to show. */

interface Sent {
  readonly method: string
  readonly path: string
  readonly type: string | undefined
  readonly body: Record<string, unknown>
}

async function server(t: Test, answer: (sent: Sent) => { status?: number; body: unknown }) {
  const sent: Sent[] = []
  const http = createServer((request, response) => {
    let text = ''
    request.on('data', (chunk) => {
      text += String(chunk)
    })
    request.on('end', () => {
      const { method = '', url: path = '', headers } = request
      const one = { method, path, type: headers['content-type'], body: text === '' ? {} : JSON.parse(text) }
      sent.push(one)
      const { status = 200, body } = answer(one)
      response.writeHead(status, { 'content-type': 'application/json' })
      response.end(typeof body === 'string' ? body : JSON.stringify(body))
    })
  })
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  const access = accessTo(`http://127.0.0.1:${(http.address() as AddressInfo).port}`)
  const clients = createKubeClients({ access })
  t.teardown(async () => {
    clients.close()
    http.closeAllConnections()
    await new Promise((resolve) => http.close(resolve))
  })
  return { clients, sent }
}

const base64 = (text: string) => Buffer.from(text).toString('base64')
const missing = { status: 404, body: statusBody(404, 'NotFound', 'not found') }

void t.test('a Secret is read in the clear and written by a named, versioned apply', async (t) => {
  const { clients, sent } = await server(t, () => ({
    body: { metadata: { resourceVersion: '7' }, data: { 'tls.crt': base64('PEM') } },
  }))
  const secret = createCertificateSecret({ clients, namespace: 'n', name: 's', fieldManager: 'us' })
  t.same(await secret.read(), { version: '7', data: { 'tls.crt': 'PEM' } })
  await secret.write({ a: 'x' }, '7')
  t.match(sent[1], {
    method: 'PATCH',
    path: '/api/v1/namespaces/n/secrets/s?fieldManager=us&force=true',
    type: 'application/apply-patch+yaml',
    body: { kind: 'Secret', metadata: { name: 's', resourceVersion: '7' }, data: { a: base64('x') } },
  })
})

void t.test(
  'a Secret that is missing is created empty first, and is not taken from who was faster',
  async (t) => {
    let found: object = {}
    const { clients, sent } = await server(t, ({ method }) =>
      method === 'GET' ? missing : { body: { metadata: { resourceVersion: '3' }, ...found } },
    )
    const secret = createCertificateSecret({ clients, namespace: 'n', name: 's', fieldManager: 'us' })
    t.same(await secret.read(), { version: undefined, data: {} })
    await secret.write({ a: 'x' }, undefined)
    t.match(sent[1]?.path, /fieldManager=us-creation/)
    t.notOk('data' in (sent[1]?.body ?? {}))
    t.match(sent[2]?.body, { metadata: { resourceVersion: '3' } })
    found = { data: { b: base64('y') } }
    await t.rejects(secret.write({ a: 'x' }, undefined), /written meanwhile/)
    t.equal(sent.length, 4, 'nothing was written over it')
  },
)

void t.test('every entry of every configuration; one that is not there has none', async (t) => {
  const { clients, sent } = await server(t, ({ path }) =>
    path.includes('validating')
      ? missing
      : {
          body: {
            metadata: { resourceVersion: '5' },
            webhooks: [{ name: 'one', clientConfig: { caBundle: base64('PEM') } }, { name: 'two' }],
          },
        },
  )
  const trust = createWebhookTrust({
    clients,
    configurations: [
      { kind: 'mutating', name: 'w' },
      { kind: 'validating', name: 'w' },
    ],
    fieldManager: 'us',
  })
  const entries = await trust.read()
  t.match(entries, [
    { configuration: 'mutating/w', webhook: 'one', bundle: 'PEM', version: '5' },
    { configuration: 'mutating/w', webhook: 'two', bundle: '' },
  ])
  await trust.publish(entries, 'NEW')
  t.equal(sent.length, 3)
  t.same(sent[2]?.body, {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'MutatingWebhookConfiguration',
    metadata: { name: 'w', resourceVersion: '5' },
    webhooks: ['one', 'two'].map((name) => ({ name, clientConfig: { caBundle: base64('NEW') } })),
  })
})

void t.test('a Lease is read, created and replaced; a MicroTime has six digits', async (t) => {
  const { clients, sent } = await server(t, ({ method, body }) =>
    method === 'GET' ? missing : { body: { ...body, metadata: { resourceVersion: '2' } } },
  )
  const leases = clients.coordination
  await t.rejects(leases.readNamespacedLease({ namespace: 'n', name: 'l' }), /not found/)
  const renewTime = '1970-01-01T00:00:00.000000Z'
  const body = { metadata: { name: 'l' }, spec: { holderIdentity: 'a', renewTime: new V1MicroTime(0) } }
  t.match(await leases.createNamespacedLease({ namespace: 'n', body }), {
    metadata: { resourceVersion: '2' },
  })
  await leases.replaceNamespacedLease({ namespace: 'n', name: 'l', body })
  const collection = '/apis/coordination.k8s.io/v1/namespaces/n/leases'
  const written = { metadata: { name: 'l' }, spec: { holderIdentity: 'a', renewTime } }
  t.match(sent.slice(1), [
    { method: 'POST', path: collection, body: written },
    { method: 'PUT', path: `${collection}/l`, body: written },
  ])
})
