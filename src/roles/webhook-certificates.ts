import { certificateFiles, readConfigured } from '../certificates/certificate-files.ts'
import { type CertificateMetrics, createCertificateMetrics } from '../certificates/certificate-metrics.ts'
import { clockSkewMs } from '../certificates/certificate-plan.ts'
import type { SecretStore } from '../certificates/certificate-stores.ts'
import { makeCertificate } from '../certificates/make-certificate.ts'
import { createRotation } from '../certificates/rotation.ts'
import {
  createServingCertificate,
  type PairSource,
  type ServingCertificate,
} from '../certificates/serving-certificate.ts'
import { storedPair } from '../certificates/stored-certificates.ts'
import { apiPath } from '../cluster/api-path.ts'
import { createCertificateSecret } from '../cluster/certificate-secret.ts'
import type { KubeClients } from '../cluster/kube-clients.ts'
import { createLeaseElector } from '../cluster/lease-elector.ts'
import { createListWatch } from '../cluster/list-watch.ts'
import { createWebhookTrust, type WebhookConfigurationName } from '../cluster/webhook-trust.ts'
import { type Config, certificateSource } from '../config.ts'
import { webhookCertificatesName, webhookName } from '../domain/names.ts'
import type { Part } from '../lifecycle.ts'
import type { RoleContext } from './role.ts'

interface CertificateDeps {
  readonly config: Config<'webhook'>
  readonly clients: KubeClients
  readonly context: RoleContext
}

/** Every configuration through which the API server calls this webhook. */
const configurations: readonly WebhookConfigurationName[] = [
  { kind: 'mutating', name: webhookName },
  { kind: 'validating', name: webhookName },
]

/** The owner in managedFields of the Secret's data and of every caBundle. */
const fieldManager = 'greenroom-webhook-certificates'

/** The placeholder answers probes until there is a pair, which takes seconds. A day is more than enough. */
const placeholderLifeMs = 86_400_000

/**
 * The serving certificate of this replica and, for built-in certificates, the part that takes part in the election and
 * rotates them while it leads. The part must be started after the webhook listens.
 */
export async function createWebhookCertificates(
  deps: CertificateDeps,
): Promise<{ certificate: ServingCertificate; rotation: Part | undefined }> {
  const { config, clients, context } = deps
  const metrics = createCertificateMetrics(context.metrics.registry)
  if (certificateSource(config) === 'files') {
    const { GREENROOM_WEBHOOK_KEY_FILE: keyPath = '', GREENROOM_WEBHOOK_CERT_FILE: certPath = '' } = config
    const source = certificateFiles({ keyPath, certPath })
    return { certificate: await serve(deps, metrics, source), rotation: undefined }
  }
  const secret = createCertificateSecret({
    clients,
    namespace: config.GREENROOM_WEBHOOK_NAMESPACE,
    name: webhookCertificatesName,
    fieldManager,
  })
  const certificate = await serve(deps, metrics, storedPair(secret))
  return { certificate, rotation: createRotationPart({ ...deps, metrics, secret, certificate }) }
}

function serve(
  { config, context: { logger } }: CertificateDeps,
  metrics: CertificateMetrics,
  source: PairSource,
): Promise<ServingCertificate> {
  const clientCa = config.GREENROOM_WEBHOOK_CLIENT_CA_FILE
  return createServingCertificate({
    source,
    logger,
    metrics,
    minVersion: config.GREENROOM_WEBHOOK_TLS_MIN,
    pollMs: lookMsOf(config),
    ...(clientCa !== undefined && {
      readClientCa: () => readConfigured('GREENROOM_WEBHOOK_CLIENT_CA_FILE', clientCa),
    }),
    ...(certificateSource(config) === 'built-in' && { placeholder: makePlaceholder }),
  })
}

/** Self-signed: no client trusts it. */
function makePlaceholder() {
  const nowMs = Date.now()
  return makeCertificate({
    kind: 'authority',
    name: 'greenroom webhook without a certificate yet',
    notBeforeMs: nowMs - clockSkewMs,
    notAfterMs: nowMs + placeholderLifeMs,
  })
}

/** A renewed leaf must reach every replica well within the last third of its predecessor's life, however short. */
function lookMsOf(config: Config<'webhook'>): number {
  const { GREENROOM_WEBHOOK_CERTIFICATE_POLL_MS: pollMs, GREENROOM_WEBHOOK_LEAF_SECONDS: leafSeconds } =
    config
  return Math.min(pollMs, (leafSeconds * 1_000) / 30)
}

interface RotationDeps extends CertificateDeps {
  readonly metrics: CertificateMetrics
  readonly secret: SecretStore
  readonly certificate: ServingCertificate
}

function createRotationPart(deps: RotationDeps): Part {
  const { config, clients, secret, certificate, metrics } = deps
  const { logger, instance } = deps.context
  const namespace = config.GREENROOM_WEBHOOK_NAMESPACE
  const rotation = createRotation({
    secret,
    trust: createWebhookTrust({ clients, configurations, fieldManager }),
    make: makeCertificate,
    rules: {
      authorityLifeMs: config.GREENROOM_WEBHOOK_CA_SECONDS * 1_000,
      leafLifeMs: config.GREENROOM_WEBHOOK_LEAF_SECONDS * 1_000,
      settleMs: config.GREENROOM_WEBHOOK_TRUST_SECONDS * 1_000,
      names: servedNames(config),
    },
    lookMs: lookMsOf(config),
    logger,
    metrics,
    onStored: () => void certificate.look(),
  })
  const elector = createLeaseElector({
    clients,
    namespace,
    name: webhookName,
    identity: instance,
    logger,
    async onLeading(signal) {
      // While a caBundle is empty every pod is refused: the watch sees it at once, not at the next look.
      const watches = configurations.map((of) => watchConfiguration(deps, of, () => rotation.wake()))
      for (const watch of watches) watch.start()
      await rotation.run(signal)
      await Promise.all(watches.map((watch) => watch.stop()))
    },
  })
  return {
    name: 'certificates',
    start: () => elector.start(),
    stop: () => elector.stop(),
  }
}

function watchConfiguration(
  { clients: { transport }, context: { logger } }: CertificateDeps,
  { kind, name }: WebhookConfigurationName,
  onChange: () => void,
) {
  return createListWatch({
    transport,
    path: apiPath({ resource: `${kind}webhookconfigurations` }),
    fieldSelector: `metadata.name=${name}`,
    keep: ({ metadata }) => metadata?.resourceVersion,
    onChange,
    logger,
  })
}

/** The names by which the API server calls the Service, and those that the operator added. */
function servedNames(config: Config<'webhook'>): string[] {
  const service = `${webhookName}.${config.GREENROOM_WEBHOOK_NAMESPACE}.svc`
  const more = config.GREENROOM_WEBHOOK_NAMES.split(',').filter((name) => name !== '')
  return [...new Set([service, `${service}.cluster.local`, ...more])]
}
