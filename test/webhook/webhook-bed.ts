import { readFile } from 'node:fs/promises'
import { Agent } from 'node:https'
import type { AddressInfo } from 'node:net'
import { pino } from 'pino'
import { Registry } from 'prom-client'
import type { Test } from 'tap'
import type { createServingCertificate } from '../../src/certificates/serving-certificate.ts'
import { createWebhookApp, type WebhookAppOptions } from '../../src/webhook/webhook-app.ts'
import { makeCerts } from '../../webhook-certs/make-certs.ts'
import { keySet, policy, reviewOf, samplePod } from '../admission/pod-samples.ts'
import { call, type Reply } from './webhook-client.ts'

/** The webhook over TLS on a port of its own, with the shipped policy. */
export async function startWebhookBed(t: Test, overrides: Partial<WebhookAppOptions> = {}) {
  const made = await makeCerts(t.testdir(), ['agent-webhook.greenroom-system.svc'])
  const ca = await readFile(made.caPath, 'utf8')
  const registry = new Registry()
  const app = createWebhookApp({
    policy: () => policy,
    assignKeys: () => keySet,
    logger: pino({ level: 'silent' }),
    registry,
    tls: { key: await readFile(made.keyPath, 'utf8'), cert: await readFile(made.certPath, 'utf8') },
    checks: () => ({}),
    ...overrides,
  })
  await app.listen({ host: '127.0.0.1', port: 0 })
  const kept = new Agent({ keepAlive: true })
  t.teardown(async () => {
    kept.destroy()
    await app.close()
  })
  const { port } = app.server.address() as AddressInfo
  const server = { host: '127.0.0.1', port, ca, servername: 'agent-webhook.greenroom-system.svc' }
  const headers = { 'content-type': 'application/json' }
  return {
    app,
    registry,
    server,
    /** Over a connection of its own. */
    post: (path: string, body: unknown): Promise<Reply> =>
      call({ ...server, path, method: 'POST', headers }, JSON.stringify(body)),
    /** Over a kept connection. */
    postKept: (path: string, body: unknown): Promise<Reply> =>
      call({ ...server, agent: kept, path, method: 'POST', headers }, JSON.stringify(body)),
    get: (path: string): Promise<Reply> => call({ ...server, path, method: 'GET' }),
  }
}

type Certificate = Awaited<ReturnType<typeof createServingCertificate>>

/** The webhook over TLS with a certificate that may be renewed while it serves. */
export async function serveWith(
  t: Test,
  certificate: Certificate,
  options: Pick<WebhookAppOptions, 'registry'> & Partial<WebhookAppOptions>,
) {
  const app = createWebhookApp({
    policy: () => policy,
    assignKeys: () => keySet,
    logger: pino({ level: 'silent' }),
    tls: certificate.tls(),
    checks: () => ({}),
    ...options,
  })
  await app.listen({ host: '127.0.0.1', port: 0 })
  certificate.serve(app.server)
  t.teardown(async () => {
    certificate.stop()
    await app.close()
  })
  const { port } = app.server.address() as AddressInfo
  return { host: '127.0.0.1', port, servername: 'agent-webhook.greenroom-system.svc' }
}

/** An AdmissionReview as the API server sends it. */
export function reviewBody(object: unknown = samplePod(), overrides: object = {}): object {
  return {
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    request: { ...reviewOf(object), ...overrides },
  }
}
