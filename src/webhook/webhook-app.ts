import type { Server } from 'node:https'
import type { FastifyRequest } from 'fastify'
import { decodeReview, type ReviewAnswer } from '../admission/review/admission-review.ts'
import { bareConfiguration, type Configuration } from '../admission/review/config-review.ts'
import { type ServingTls, tlsOptions } from '../certificates/serving-certificate.ts'
import { GreenroomError } from '../errors.ts'
import type { Logger } from '../logging.ts'
import { createService, type Service } from '../serving/service.ts'
import { addServiceRoutes, type ServiceRouteOptions } from '../serving/service-routes.ts'
import { addExplainRoute } from './explain-route.ts'
import { createContext, createJudge, type Endpoint, judges, type ReviewSources } from './judge-review.ts'
import { createReviewBatch } from './review-batch.ts'
import { checkReviewCaller } from './review-caller.ts'
import { createReviewGate, type GateLimits } from './review-gate.ts'
import { installIntake, isLate, longestTimeoutMs } from './review-intake.ts'
import { createWebhookMetrics, registerGateMetrics, type WebhookMetrics } from './webhook-metrics.ts'

export interface WebhookAppOptions extends ReviewSources, ServiceRouteOptions {
  /** What is known beside the policy when a document is judged; called once per review, so it must not block. */
  readonly configuration?: () => Configuration
  readonly logger: Logger
  readonly tls: ServingTls
  /**
   * A caller gets a review only if its client certificate shows one of these names; needs `tls.clientCa`. Undefined:
   * every caller gets one.
   */
  readonly callers?: readonly string[] | undefined
  /** Aborted when this replica drains. */
  readonly draining?: AbortSignal
  readonly gateLimits?: GateLimits
}

const limits = {
  /** Two objects of at most 3 MiB (the API server's own limit) and the envelope. */
  bodyLimit: 7 * 1024 * 1024,
  /** Longer than the 90 s for which the API server keeps an idle connection: we must never be the first to close. */
  keepAliveTimeout: 120_000,
  requestTimeout: longestTimeoutMs,
}

/**
 * The admission webhook over HTTPS: POST /mutate, /validate, /validate-config, /validate-namespace, /warn-templates and
 * /explain; probes and metrics. The webhook configuration's namespaceSelector chooses the namespaces. Every
 * AdmissionReview is answered with 200 and a decision, also when judging it fails; every other request gets a
 * problem+json and a 4xx.
 */
export function createWebhookApp(options: WebhookAppOptions): Service<Server> {
  const metrics = createWebhookMetrics(options.registry)
  const app = createWebhookServer(options, metrics)

  const gate = createReviewGate(options.gateLimits)
  registerGateMetrics(options.registry, gate)
  installIntake(app, { gate, metrics, bodyLimitBytes: limits.bodyLimit })

  const { configuration = () => bareConfiguration, logger, callers } = options
  const context = createContext(options)
  addReviewRoutes(app, createJudge({ context, configuration, logger, metrics }), callers)
  addExplainRoute(app, context)
  addServiceRoutes(app, options)
  return app
}

function createWebhookServer(options: WebhookAppOptions, metrics: WebhookMetrics): Service<Server> {
  const { logger, tls, callers, draining } = options
  const app = createService({
    logger,
    limits,
    draining,
    https: {
      ...tlsOptions(tls),
      // A client certificate is asked for and not required: probes and scrapes have none. Reviews check it.
      requestCert: callers !== undefined,
      rejectUnauthorized: false,
    },
    // No route has a part that could be encoded wrongly: such an address is not one of ours.
    badAddress: 'GRN_NOT_FOUND',
    onRefused: ({ code }) => metrics.refused.inc({ code }),
  })
  // A review is JSON; text/plain would reach us as a string.
  app.removeContentTypeParser('text/plain')
  return app
}

function addReviewRoutes(
  app: Service,
  judge: ReturnType<typeof createJudge>,
  callers: readonly string[] | undefined,
): void {
  // Before the body is read.
  const onRequest = async (request: FastifyRequest): Promise<void> => {
    if (callers !== undefined) checkReviewCaller(request, callers)
  }
  const batch = createReviewBatch()
  for (const endpoint of Object.keys(judges) as Endpoint[]) {
    app.post(`/${endpoint}`, { onRequest }, async (request): Promise<ReviewAnswer> => {
      await batch()
      const review = decodeReview(request.body)
      if (!review.ok) throw new GreenroomError('GRN_BAD_REVIEW', badReviewDetail(review.problems))
      return judge(endpoint, review.value, { late: isLate(request) })
    })
  }
}

function badReviewDetail(problems: readonly string[]): string {
  return `This is not an AdmissionReview of admission.k8s.io/v1: ${problems.slice(0, 3).join('; ')}.`
}
