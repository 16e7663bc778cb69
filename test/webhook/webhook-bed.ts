import { readFile } from 'node:fs/promises'
import { Agent } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { InjectOptions } from 'fastify'
import { pino } from 'pino'
import { Registry } from 'prom-client'
import type { Test } from 'tap'
import type { createServingCertificate } from '../../src/certificates/serving-certificate.ts'
import { createAdmissionHour } from '../../src/webhook/admission-hour.ts'
import { createWebhookApp, type WebhookAppOptions } from '../../src/webhook/webhook-app.ts'
import { createWebhookOpsApp } from '../../src/webhook/webhook-ops-app.ts'
import { makeCerts } from '../../webhook-certs/make-certs.ts'
import { keySet, policy, reviewOf, samplePod } from '../admission/pod-samples.ts'
import { call, type Reply } from './webhook-client.ts'

/** The webhook over TLS on a port of its own, with the shipped policy. */
export async function startWebhookBed(t: Test, overrides: Partial<WebhookAppOptions> = {}) {
  const made = await makeCerts(t.testdir(), ['agent-webhook.greenroom-system.svc'])
  const ca = await readFile(made.caPath, 'utf8')
  const registry = new Registry()
  const shared = {
    policy: () => policy,
    assignKeys: () => keySet,
    logger: pino({ level: 'silent' }),
    registry,
    checks: () => ({}),
    hour: createAdmissionHour('webhook-1', () => Date.now()),
    ...overrides,
  }
  const tls = { key: await readFile(made.keyPath, 'utf8'), cert: await readFile(made.certPath, 'utf8') }
  const app = createWebhookApp({ ...shared, tls })
  const opsApp = await createWebhookOpsApp({
    ...shared,
    replica: 'webhook-1',
    certificateEndsAt: () => undefined,
    policyStatus: () => ({ seen: '7', applied: '7', problems: undefined }),
  })
  await app.listen({ host: '127.0.0.1', port: 0 })
  const kept = new Agent({ keepAlive: true })
  t.teardown(async () => {
    kept.destroy()
    await opsApp.close()
    await app.close()
  })
  const { port } = app.server.address() as AddressInfo
  const server = { host: '127.0.0.1', port, ca, servername: 'agent-webhook.greenroom-system.svc' }
  const headers = { 'content-type': 'application/json' }
  const ask = async (request: InjectOptions) => {
    const { statusCode: status, body: text } = await opsApp.inject(request)
    return { status, text, json: jsonOf(text) }
  }
  return {
    app,
    /** The ops port. */
    ops: {
      get: (url: string) => ask({ url }),
      post: (url: string, body: unknown) =>
        ask({ method: 'POST', url, headers, payload: JSON.stringify(body) }),
    },
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

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
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
    hour: createAdmissionHour('webhook-1', () => Date.now()),
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
