import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { AdmissionregistrationV1Api, CoreV1Api } from '@kubernetes/client-node'
import type { Test } from 'tap'
import { stringify } from 'yaml'
import { temporaryFolder } from '../../bed/processes/temporary-folder.ts'
import { until } from '../../bed/processes/until.ts'
import type { RoleProcess } from '../../bed/replicas/role-process.ts'
import { servingFiles, startWebhookProcess } from '../../bed/replicas/webhook-process.ts'
import { root } from '../../bed/repository.ts'
import { startControlPlane } from '../../bed/servers/control-plane.ts'
import { freePort } from '../../bed/servers/free-port.ts'
import type { KubectlOutcome } from '../../bed/servers/kubectl.ts'
import { policyTextOf } from '../admission/pod-samples.ts'
import { call } from '../webhook/webhook-client.ts'

/** The API server, and the webhook as a process with the rights of the manifests, which may be away for a while. */

export const namespace = 'ai-agents'
const base = join(root, 'manifests/base')

export async function startGuardBed(t: Test) {
  const folder = await temporaryFolder('admission-guard')
  const plane = await startControlPlane({ folder: folder.path, webhookManifests: [join(base, 'webhook')] })
  const opsPort = await freePort()
  let webhook: RoleProcess | undefined
  t.teardown(async () => {
    await webhook?.stop()
    await plane.stop()
    await folder.remove()
  })
  await plane.apply(
    ['namespace.yaml', 'resource-quota.yaml', 'session-server/rbac.yaml', 'webhook/service-account.yaml'].map(
      (path) => join(base, path),
    ),
  )
  await plane.apply([join(base, 'webhook/rbac.yaml')])
  const core = plane.admin().makeApiClient(CoreV1Api)
  const registration = plane.admin().makeApiClient(AdmissionregistrationV1Api)
  const ca = await readFile(plane.webhook.caPath, 'utf8')
  const get = (path: string) => call({ host: plane.webhook.host, port: plane.webhook.port, ca, path })
  const setOwnersPolicy = async (failurePolicy: 'Fail' | 'Ignore'): Promise<void> => {
    const name = 'agent-webhook'
    const found = await registration.readValidatingWebhookConfiguration({ name })
    const index = found.webhooks?.findIndex((entry) => entry.name === 'owners.agents.greenroom.dev')
    const patch = [{ op: 'replace', path: `/webhooks/${index}/failurePolicy`, value: failurePolicy }]
    const args = ['patch', 'validatingwebhookconfiguration', name, '--type=json']
    const { code, stderr } = await plane.kubectl([...args, `-p=${JSON.stringify(patch)}`])
    if (code !== 0) throw new Error(stderr)
  }
  const applied = (object: object): Promise<KubectlOutcome> =>
    plane.kubectl(['apply', '--server-side', '--force-conflicts', '-f', '-'], { input: stringify(object) })

  return {
    folder,
    plane,
    core,
    startWebhook: async (): Promise<void> => {
      const { port } = plane.webhook
      webhook = await startWebhookProcess({
        plane,
        name: 'webhook',
        folder: folder.path,
        port,
        opsPort,
        env: servingFiles(plane),
      })
      await until(
        'a ready webhook',
        async () => (await get('/readyz').catch(() => undefined))?.status === 200,
        30_000,
      )
    },
    stopWebhook: async (): Promise<void> => {
      await webhook?.stop()
      webhook = undefined
    },
    /** Reviews answered at an endpoint so far. */
    reviews: async (endpoint: string): Promise<number> => {
      const metrics = await fetch(`http://${plane.webhook.host}:${opsPort}/metrics`)
      const lines = (await metrics.text())
        .split('\n')
        .filter((line) => line.startsWith('greenroom_admission_reviews_total'))
      return lines
        .filter((line) => line.includes(`endpoint="${endpoint}"`))
        .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
    },
    kubectlAs: async (user: string, args: readonly string[], input?: string): Promise<KubectlOutcome> => {
      const kubeconfig = await plane.kubeconfigFor(user)
      return plane.kubectl(args, { kubeconfig, ...(input !== undefined && { input }) })
    },
    applied,
    /** Does it while the webhook is down and nobody has to say who owns the documents, as in docs/break-glass.md. */
    unowned: async (write: () => Promise<unknown>): Promise<void> => {
      await setOwnersPolicy('Ignore')
      // The API server notices the change a moment later.
      await until('the write', () =>
        write().then(
          () => true,
          () => false,
        ),
      )
      await setOwnersPolicy('Fail')
    },
    policy: (text: string) => applied(configMap('agent-policy', { 'policy.yaml': text })),
    pools: (min: number, max: number, agentType = 'echo-agent') =>
      applied(
        configMap('agent-pools', {
          'pools.yaml': stringify({
            pools: { [agentType]: { template: { image: 'greenroom:0.1.0' }, min, max } },
          }),
        }),
      ),
    untilKept: (version: string) =>
      until(`policy ${version} is kept`, async () => {
        const kept = await core
          .readNamespacedConfigMap({ namespace, name: 'agent-policy-accepted' })
          .catch(() => undefined)
        return kept?.data?.['policy.yaml']?.includes(`version: "${version}"`)
      }),
    /** The version of the policy that shapes a pod now. */
    versionInForce: async (): Promise<string | undefined> => {
      const pod = await core.createNamespacedPod({
        namespace,
        body: { metadata: { generateName: 'probe-' }, spec: { containers: [{ name: 'a', image: 'x:1' }] } },
        dryRun: 'All',
      })
      return pod.metadata?.annotations?.['greenroom.dev/policy-version']
    },
  }
}

export const configMap = (name: string, data: Record<string, string>) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, namespace },
  data,
})

export const policyText = policyTextOf('base/agent-policy.yaml')
export const versioned = (version: string) => policyText.replace('version: "1"', `version: "${version}"`)

export function passes(t: Test, outcome: KubectlOutcome, warning?: RegExp): void {
  t.equal(outcome.code, 0, outcome.stderr)
  if (warning) t.match(outcome.stderr, warning)
  else t.notMatch(outcome.stderr, /Warning: /)
  // PodSecurity would judge templates as they are written; the base turns its warnings off.
  t.notMatch(outcome.stderr, /would violate PodSecurity/)
}

export function refused(t: Test, outcome: KubectlOutcome, why: RegExp): void {
  t.not(outcome.code, 0)
  t.match(outcome.stderr, why)
}
