import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { RbacAuthorizationV1Api, type V1PolicyRule } from '@kubernetes/client-node'
import { pino } from 'pino'
import { Registry } from 'prom-client'
import type { Test } from 'tap'
import { temporaryFolder } from '../../bed/processes/temporary-folder.ts'
import { root } from '../../bed/repository.ts'
import { type ControlPlane, startControlPlane } from '../../bed/servers/control-plane.ts'
import type { PolicyDocument } from '../../src/admission/policy/policy-document.ts'
import { createAdmissionHour } from '../../src/webhook/admission-hour.ts'
import type { IntakeLimits } from '../../src/webhook/review-intake.ts'
import { createWebhookApp } from '../../src/webhook/webhook-app.ts'

/** The API server, which calls the webhook of this process by the configurations of the manifests. */

interface AdmissionBedOptions {
  readonly name: string
  readonly policy: PolicyDocument
  readonly assignKeys: string
  readonly intakeLimits?: IntakeLimits
  /** Another team's webhook: its configuration, and its route on our server. */
  readonly stranger?: {
    readonly configuration: string
    readonly addRoute: (server: ReturnType<typeof createWebhookApp>) => void
  }
}

export async function startAdmissionBed(t: Test, options: AdmissionBedOptions) {
  const folder = await temporaryFolder(options.name)
  const webhookManifests = [join(root, 'manifests/base/webhook')]
  if (options.stranger) {
    const path = join(folder.path, 'stranger.yaml')
    await writeFile(path, options.stranger.configuration)
    webhookManifests.push(path)
  }
  const plane = await startControlPlane({ folder: folder.path, webhookManifests })
  const registry = new Registry()
  const app = await startWebhook(plane, registry, options)
  t.teardown(async () => {
    await app.close()
    await plane.stop()
    await folder.remove()
  })
  return { folder, plane, registry }
}

async function startWebhook(
  { webhook }: ControlPlane,
  registry: Registry,
  { policy, assignKeys, intakeLimits, stranger }: AdmissionBedOptions,
) {
  const [key = '', cert = ''] = await Promise.all(
    [webhook.keyPath, webhook.certPath].map((path) => readFile(path, 'utf8')),
  )
  const server = createWebhookApp({
    policy: () => policy,
    assignKeys: () => assignKeys,
    logger: pino({ level: 'silent' }),
    registry,
    tls: { key, cert },
    checks: () => ({}),
    hour: createAdmissionHour('webhook-1', () => Date.now()),
    ...(intakeLimits && { intakeLimits }),
  })
  stranger?.addRoute(server)
  await server.listen({ host: webhook.host, port: webhook.port })
  return server
}

/** The message with which the API server refused, or '' if it did not. */
export async function refusal(call: Promise<unknown>): Promise<string> {
  try {
    await call
    return ''
  } catch (error) {
    return String((error as Error).message)
  }
}

/** RBAC as a cluster would grant it; what it allows is then for admission to judge. */
export async function grant(plane: ControlPlane, user: string, rules: V1PolicyRule[]): Promise<void> {
  const rbac = plane.admin().makeApiClient(RbacAuthorizationV1Api)
  const name = `test-${user.replaceAll(':', '-')}`
  await rbac.createClusterRole({ body: { metadata: { name }, rules } })
  await rbac.createClusterRoleBinding({
    body: {
      metadata: { name },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name },
      subjects: [{ kind: 'User', apiGroup: 'rbac.authorization.k8s.io', name: user }],
    },
  })
}
