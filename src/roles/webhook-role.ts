import { builtInPolicy } from '../admission/rules/check-policy.ts'
import { loadKubeAccess } from '../cluster/kube-access.ts'
import { createKubeClients } from '../cluster/kube-clients.ts'
import { createLimitRangeWatch } from '../cluster/limit-range-watch.ts'
import { createQuotaWatch } from '../cluster/quota-watch.ts'
import type { Config } from '../config.ts'
import { configMapName } from '../domain/names.ts'
import { pause } from '../timing/pause.ts'
import { createAdmissionHour } from '../webhook/admission-hour.ts'
import { registerPolicyMetrics } from '../webhook/policy-metrics.ts'
import { createWebhookApp } from '../webhook/webhook-app.ts'
import { createWebhookOpsApp } from '../webhook/webhook-ops-app.ts'
import { watchAssignKeys, watchPolicy } from './policy-watch.ts'
import { watchPools } from './pools-watch.ts'
import type { RoleContext } from './role.ts'
import { createWebhookCertificates } from './webhook-certificates.ts'

/** For reviews that are under way when the drain is over: longer than the API server waits for them. */
const closeWithinMs = 4_000

/** The admission webhook. It needs no Redis, PostgreSQL or session API, and makes no call while it judges. */
export async function startWebhook(config: Config<'webhook'>, context: RoleContext): Promise<void> {
  const { lifecycle, logger, metrics } = context
  const { registry } = metrics
  const clients = createKubeClients({ access: await loadKubeAccess(config) })
  const namespace = config.GREENROOM_NAMESPACE
  const where = { clients, namespace, logger }
  // The webhook keeps this document: it may be the only part of Greenroom that runs in the cluster.
  const policy = watchPolicy({ ...where, keeps: true })
  const assignKeys = watchAssignKeys(where)
  // These three serve only for warnings about edited documents: nothing waits for them.
  const pools = watchPools({ ...where, keeps: false })
  const quotas = createQuotaWatch({ transport: clients.transport, namespace, logger })
  const limitRanges = createLimitRangeWatch({ transport: clients.transport, namespace, logger })
  const { certificate, rotation } = await createWebhookCertificates({ config, clients, context })
  await lifecycle.start({ name: 'api clients', stop: () => clients.close() })
  for (const { name, watch } of [
    { name: configMapName.policy, watch: policy },
    { name: configMapName.assignKeys, watch: assignKeys },
    { name: configMapName.pools, watch: pools },
    { name: 'resource quotas', watch: quotas },
    { name: 'limit ranges', watch: limitRanges },
  ]) {
    await lifecycle.start({ name, start: () => watch.start(), stop: () => watch.stop() })
  }
  const inForce = () => policy.current() ?? builtInPolicy
  registerPolicyMetrics({ registry, policy: inForce, status: () => policy.status() })
  const draining = new AbortController()
  const hour = createAdmissionHour(context.instance, () => Date.now())
  const shared = {
    hour,
    policy: inForce,
    assignKeys: () => assignKeys.current() ?? '',
    logger,
    registry,
    // A replica that never saw the policy would deny what the others admit.
    checks: () =>
      ({
        draining: draining.signal.aborted ? 'failed' : 'ok',
        policy: policy.synced() ? 'ok' : 'failed',
        assignKeys: assignKeys.synced() ? 'ok' : 'failed',
        certificate: certificate.ready() ? 'ok' : 'failed',
      }) as const,
  }
  const app = createWebhookApp({
    ...shared,
    draining: draining.signal,
    configuration: () => ({
      namespace,
      webhookUser: config.GREENROOM_WEBHOOK_USER,
      // While the watch is down, a first policy may have been accepted elsewhere.
      isUnowned: policy.synced() && policy.staleSince() === undefined && !policy.wasAccepted(),
      pools: pools.current(),
      quotas: quotas.current(),
      limitRanges: limitRanges.current(),
    }),
    tls: certificate.tls(),
    callers: config.GREENROOM_WEBHOOK_CLIENT_CA_FILE
      ? config.GREENROOM_WEBHOOK_CLIENT_NAMES.split(',')
      : undefined,
  })
  const opsApp = await createWebhookOpsApp({
    ...shared,
    replica: context.instance,
    certificateEndsAt: () => certificate.endsAt(),
    policyStatus: () => policy.status(),
    details: () => ({
      draining: draining.signal.aborted,
      policy: policy.status(),
      assignKeys: assignKeys.status(),
      certificate: certificate.ready() ? 'served' : 'not made yet',
    }),
  })
  await lifecycle.start({
    name: 'webhook ops',
    async start() {
      await opsApp.listen({ host: config.GREENROOM_HOST, port: config.GREENROOM_WEBHOOK_OPS_PORT })
    },
    stop: () => opsApp.close(),
  })
  await lifecycle.start({
    name: 'webhook',
    stopWithinMs: config.GREENROOM_DRAIN_MS + closeWithinMs,
    async start() {
      const url = await app.listen({ host: config.GREENROOM_HOST, port: config.GREENROOM_WEBHOOK_PORT })
      certificate.serve(app.server)
      certificate.start()
      logger.info({ url }, 'webhook is listening')
    },
    async stop() {
      draining.abort()
      logger.info({ drainMs: config.GREENROOM_DRAIN_MS }, 'webhook is draining')
      await pause(config.GREENROOM_DRAIN_MS)
      certificate.stop()
      await app.close()
    },
  })
  if (rotation) await lifecycle.start(rotation)
}
