import { builtInPolicy, checkPolicy } from '../admission/policy.ts'
import { createDocumentWatch } from '../cluster/document-watch.ts'
import { loadKubeAccess } from '../cluster/kube-access.ts'
import { createKubeTransport } from '../cluster/kube-transport.ts'
import type { Config } from '../config.ts'
import type { Checked } from '../domain/checked-document.ts'
import { configMapKey, configMapName } from '../domain/names.ts'
import { createServingCertificate } from '../webhook/serving-certificate.ts'
import { createWebhookApp } from '../webhook/webhook-app.ts'
import type { RoleContext } from './role.ts'

/** The admission webhook. Needs neither Redis nor PostgreSQL nor the session API, and asks nobody while it judges. */
export async function startWebhook(config: Config<'webhook'>, context: RoleContext): Promise<void> {
  const { lifecycle, logger, metrics } = context
  const { registry } = metrics
  const transport = createKubeTransport(await loadKubeAccess(config))
  const namespace = config.GREENROOM_NAMESPACE
  const policy = createDocumentWatch({
    transport,
    namespace,
    name: configMapName.policy,
    key: configMapKey.policy,
    check: checkPolicy,
    accepted: { name: configMapName.policyAccepted, write: false },
    logger,
  })
  const assignKeys = createDocumentWatch<string>({
    transport,
    namespace,
    name: configMapName.assignKeys,
    key: configMapKey.assignKeys,
    check: checkKeys,
    logger,
  })
  const certificate = await createServingCertificate({
    keyPath: config.GREENROOM_WEBHOOK_KEY_FILE,
    certPath: config.GREENROOM_WEBHOOK_CERT_FILE,
    logger,
    registry,
  })
  await lifecycle.start({ name: 'api transport', stop: () => transport.close() })
  await lifecycle.start({
    name: configMapName.policy,
    start: () => policy.start(),
    stop: () => policy.stop(),
  })
  await lifecycle.start({
    name: configMapName.assignKeys,
    start: () => assignKeys.start(),
    stop: () => assignKeys.stop(),
  })
  const app = createWebhookApp({
    policy: () => policy.current() ?? builtInPolicy,
    assignKeys: () => assignKeys.current() ?? '',
    logger,
    registry,
    tls: certificate.pair(),
    // A replica that never saw the policy would deny what the others admit.
    ready: () => ({
      ok: policy.synced() && assignKeys.synced(),
      details: { policy: policy.status(), assignKeys: assignKeys.status() },
    }),
  })
  await lifecycle.start({
    name: 'webhook',
    async start() {
      const url = await app.listen({ host: config.GREENROOM_HOST, port: config.GREENROOM_WEBHOOK_PORT })
      certificate.serve(app.server)
      certificate.start()
      logger.info({ url }, 'webhook is listening')
    },
    async stop() {
      certificate.stop()
      await app.close()
    },
  })
}

/** The webhook only passes the set on; whether it holds usable keys is judged where they are used. */
function checkKeys(text: string): Checked<string> {
  try {
    JSON.parse(text)
    return { ok: true, value: text }
  } catch (error) {
    return { ok: false, problems: [`${configMapKey.assignKeys}: ${(error as Error).message}`] }
  }
}
