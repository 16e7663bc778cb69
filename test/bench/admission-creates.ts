import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { until } from '../../bed/processes/until.ts'
import type { AdmissionBed } from './admission-bed.ts'
import { podToCreate } from './admission-reviews.ts'
import { startBenchProcess } from './bench-process.ts'
import { createLatencyRecorder } from './latency-recorder.ts'
import type { RouteCalls } from './route-program.ts'

/**
 * Pods created one after the other through the API server, by turns in three namespaces: judged by Greenroom, by a bare
 * webhook that only repeats the same patch (what two calls cost the API server whoever answers), and by nobody.
 */
export async function measureCreates(bed: AdmissionBed, count: number, say: (line: string) => void) {
  const { plane, kube } = bed
  await plane.createNamespace('not-judged')
  await plane.createNamespace(bareNamespace)
  await installBareWebhook(bed)
  const sides = [
    { name: 'pod create, with webhook', namespace: 'ai-agents', recorder: createLatencyRecorder() },
    { name: 'pod create, bare webhook', namespace: bareNamespace, recorder: createLatencyRecorder() },
    { name: 'pod create, without', namespace: 'not-judged', recorder: createLatencyRecorder() },
  ] as const
  const warmUps = Math.ceil(count / 10)
  for (let n = 0; n < count + warmUps; n += 1) {
    for (const { namespace, recorder } of sides) {
      const begun = performance.now()
      const path = `/api/v1/namespaces/${namespace}/pods`
      const { status, body } = await kube.send({ method: 'POST', path, body: podToCreate })
      const durationMs = performance.now() - begun
      if (status !== 201) throw new Error(`${namespace}: HTTP ${status} ${JSON.stringify(body)}`)
      if (!isHardened(body) && namespace !== 'not-judged') throw new Error(`${namespace}: not hardened`)
      if (n >= warmUps) recorder.take({ latenciesUs: [durationMs * 1_000], errors: 0, durationMs })
    }
  }
  const rows = sides.map(({ name, recorder }) => recorder.row(name, 1))
  const p50 = (index: number) => rows[index]?.p50Ms ?? 0
  const rounded = (ms: number) => Math.round(ms * 1_000) / 1_000
  const differenceMs = { webhook: rounded(p50(0) - p50(2)), bare: rounded(p50(1) - p50(2)) }
  say(
    `a pod create takes ${differenceMs.webhook} ms longer with the webhook (p50), ${differenceMs.bare} ms with a bare one`,
  )
  return { rows, differenceMs }
}

function isHardened(pod: unknown): boolean {
  const { metadata } = pod as { metadata: { annotations?: Record<string, string> } }
  return metadata.annotations?.['greenroom.dev/policy-version'] !== undefined
}

const bareNamespace = 'bare-webhook'

/** Two entries of the same kind as Greenroom's, for one namespace. */
async function installBareWebhook(bed: AdmissionBed): Promise<void> {
  const { kube, ca } = bed
  const program = fileURLToPath(new URL('./route-program.ts', import.meta.url))
  const route = startBenchProcess<RouteCalls>({ program, logPath: join(bed.folder, 'bare-webhook.log') })
  bed.onStop(() => route.stop())
  const { certPath, keyPath, host, port } = bed.plane.webhook
  const [cert, key] = await Promise.all([readFile(certPath, 'utf8'), readFile(keyPath, 'utf8')])
  const bare = await route.call('listenWebhook', { cert, key, teacher: { host, port, ca } })
  for (const [kind, path] of [
    ['MutatingWebhookConfiguration', 'mutate'],
    ['ValidatingWebhookConfiguration', 'validate'],
  ] as const) {
    const body = {
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind,
      metadata: { name: 'bare' },
      webhooks: [
        {
          name: 'bare.bench.greenroom.dev',
          admissionReviewVersions: ['v1'],
          clientConfig: {
            url: `https://127.0.0.1:${bare}/${path}`,
            caBundle: Buffer.from(ca).toString('base64'),
          },
          rules: [
            {
              operations: ['CREATE'],
              apiGroups: [''],
              apiVersions: ['v1'],
              resources: ['pods'],
              scope: 'Namespaced',
            },
          ],
          namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': bareNamespace } },
          sideEffects: 'None',
          timeoutSeconds: 2,
        },
      ],
    }
    const plural = `${kind.toLowerCase()}s`
    const answer = await kube.send({
      method: 'POST',
      path: `/apis/admissionregistration.k8s.io/v1/${plural}`,
      body,
    })
    if (answer.status !== 201) throw new Error(`${kind} bare: HTTP ${answer.status}`)
  }
  await untilCalled(bed)
}

/** The API server takes up to a second to see a new configuration. */
async function untilCalled({ kube }: AdmissionBed): Promise<void> {
  const path = `/api/v1/namespaces/${bareNamespace}/pods?dryRun=All`
  await until('the API server to call the bare webhook', async () => {
    const { status, body } = await kube.send({ method: 'POST', path, body: podToCreate })
    return status === 201 && isHardened(body)
  })
}
