import type { Server } from 'node:https'
import type { FastifyRequest } from 'fastify'
import { decodeReview, type ReviewAnswer } from '../admission/review/admission-review.ts'
import { bareConfiguration, type Configuration } from '../admission/review/config-review.ts'
import { type ServingTls, tlsOptions } from '../certificates/serving-certificate.ts'
import { GreenroomError } from '../errors.ts'
import type { Logger } from '../logging.ts'
import { createService, type Service } from '../serving/service.ts'
import { addProbeRoutes, type ServiceRouteOptions } from '../serving/service-routes.ts'
import type { AdmissionCounter } from './admission-hour.ts'
import { createContext, createJudge, type Endpoint, judges, type ReviewSources } from './judge-review.ts'
import { createReviewBatch } from './review-batch.ts'
import { checkReviewCaller } from './review-caller.ts'
import { bodyLimitBytes, type IntakeLimits, installIntake, isLate } from './review-intake.ts'
import { createWebhookMetrics, registerGateMetrics, type WebhookMetrics } from './webhook-metrics.ts'

export interface WebhookAppOptions extends ReviewSources, ServiceRouteOptions {
  /** What is known beside the policy when a document is judged; called once per review, so it must not block. */
  readonly configuration?: () => Configuration
  /** Counts what reviews come to; read on the ops port. */
  readonly hour: AdmissionCounter
  readonly logger: Logger
  readonly tls: ServingTls
  /**
   * A caller gets a review only if its client certificate shows one of these names; needs `tls.clientCa`. Undefined:
   * every caller gets one.
   */
  readonly callers?: readonly string[] | undefined
  /** Aborted when this replica drains. */
  readonly draining?: AbortSignal
  readonly intakeLimits?: IntakeLimits
}

const limits = {
  bodyLimit: bodyLimitBytes,
  /** Longer than the 90 s for which the API server keeps an idle connection: we must never be the first to close. */
  keepAliveTimeout: 120_000,
  /**
   * Node's own limit also counts the time before the first byte, so it closed connections that the API server had opened
   * ahead of need. The intake has a deadline for bodies, and the connection bounds have one for heads.
   */
  requestTimeout: 0,
  connections: {
    // An API server has a connection for each write under way, 600 at most. 1,000 idle ones took 57 MB (223 MB in all), and
    // the manifests give 384 MiB: there is room left for bodies.
    total: 1_200,
    perAddress: 800,
    // A TLS handshake and a head each have this long. The API server gives up a handshake after 10 s, a review after 2 s.
    headMs: 5_000,
  },
}

/**
 * The admission webhook over HTTPS: POST /mutate, /validate, /validate-config, /validate-namespace, /validate-owner and
 * /warn-templates, and the kubelet's probes. What people ask for is on the ops port. The webhook configuration's namespaceSelector chooses the
 * namespaces. Every AdmissionReview is answered with 200 and a decision, also when judging it fails; every other request
 * gets a problem+json and a 4xx.
 */
export function createWebhookApp(options: WebhookAppOptions): Service<Server> {
  const metrics = createWebhookMetrics(options.registry)
  const app = createWebhookServer(options, metrics)

  const { configuration = () => bareConfiguration, logger, callers } = options
  const gate = installIntake(app, {
    limits: options.intakeLimits,
    onWait: () => metrics.waited.inc(),
    ...(callers && { checkCaller: (request: FastifyRequest) => checkReviewCaller(request, callers) }),
  })
  registerGateMetrics(options.registry, gate)
  const context = createContext(options)
  addReviewRoutes(app, createJudge({ context, configuration, logger, metrics, hour: options.hour }))
  addProbeRoutes(app, { checks: options.checks, explains: false })
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
  return app
}

function addReviewRoutes(app: Service, judge: ReturnType<typeof createJudge>): void {
  const batch = createReviewBatch()
  for (const endpoint of Object.keys(judges) as Endpoint[]) {
    app.post(`/${endpoint}`, async (request): Promise<ReviewAnswer> => {
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
