import { Counter, Gauge, type Registry } from 'prom-client'

/** The metrics of the webhook's certificates. Only the elected replica sets those whose help says "leader". */
export function createCertificateMetrics(registry: Registry) {
  const registers = [registry]
  return {
    expiresAt: new Gauge({
      name: 'greenroom_webhook_certificate_expiry_timestamp_seconds',
      help: 'When a certificate in use expires, Unix time: serving, or the authority that signed it as far as known.',
      labelNames: ['certificate'],
      registers,
    }),
    reloads: new Counter({
      name: 'greenroom_webhook_certificate_reloads_total',
      help: 'Changes of what is to be served, by outcome (taken, refused).',
      labelNames: ['outcome'],
      registers,
    }),
    rotations: new Counter({
      name: 'greenroom_webhook_certificate_rotations_total',
      help: 'Steps of making, trusting, renewing and forgetting certificates, by step and outcome; leader.',
      labelNames: ['step', 'outcome'],
      registers,
    }),
    errors: new Counter({
      name: 'greenroom_webhook_certificate_errors_total',
      help: 'What failed on the way to a certificate, by step: read-pair on every replica, the others on the leader.',
      labelNames: ['step'],
      registers,
    }),
    trustComplete: new Gauge({
      name: 'greenroom_webhook_trust_complete',
      help: '1 if every entry of the configuration, read back, trusts the authority in force; leader.',
      labelNames: ['configuration'],
      registers,
    }),
  }
}

export type CertificateMetrics = ReturnType<typeof createCertificateMetrics>
