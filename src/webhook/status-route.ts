import type { DocumentStatus } from '../domain/document-status.ts'
import type { Service } from '../serving/service.ts'
import type { CheckState, ReadinessChecks } from '../serving/service-routes.ts'
import type { AdmissionCounter } from './admission-hour.ts'

/** What one replica of the webhook says of itself. */
export interface WebhookReplicaStatus {
  readonly replica: string
  readonly ready: boolean
  readonly checks: Readonly<Record<string, CheckState>>
  /** RFC 3339; absent while there is no certificate to serve. */
  readonly certificateEndsAt?: string | undefined
  readonly policy: DocumentStatus
}

export interface WebhookStatusSources {
  readonly replica: string
  readonly checks: ReadinessChecks
  /** Epoch ms; undefined while there is no certificate. */
  readonly certificateEndsAt: () => number | undefined
  readonly policyStatus: () => DocumentStatus
  readonly hour: AdmissionCounter
}

/**
 * GET /status and /admission of the ops port, for the session server's `/v1/status` and `/v1/admission`. Unlike a probe it answers 200 also when the replica is
 * not ready, because then above all its answer is wanted.
 */
export function addStatusRoutes(app: Service, sources: WebhookStatusSources): void {
  app.get('/status', { schema: { hide: true } }, async (): Promise<WebhookReplicaStatus> => {
    const checks = sources.checks()
    const endsAt = sources.certificateEndsAt()
    return {
      replica: sources.replica,
      ready: !Object.values(checks).includes('failed'),
      checks,
      certificateEndsAt: endsAt === undefined ? undefined : new Date(endsAt).toISOString(),
      policy: sources.policyStatus(),
    }
  })
  app.get('/admission', { schema: { hide: true } }, async () => sources.hour.read())
}
