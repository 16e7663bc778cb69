import { randomUUID } from 'node:crypto'
import { type FastifyBaseLogger, type FastifyRequest, fastify, LogController } from 'fastify'
import type { Registry } from 'prom-client'
import { decodeReview, type ReviewAnswer } from '../admission/review/admission-review.ts'
import { bareConfiguration, type Configuration } from '../admission/review/config-review.ts'
import { type ServingTls, tlsOptions } from '../certificates/serving-certificate.ts'
import { GreenroomError } from '../errors.ts'
import type { Logger } from '../logging.ts'
import { addExplainRoute } from './explain-route.ts'
import { createContext, createJudge, type Endpoint, judges, type ReviewSources } from './judge-review.ts'
import { createLoopTurn } from './review-batch.ts'
import { checkReviewCaller } from './review-caller.ts'
import { createReviewGate, type GateLimits } from './review-gate.ts'
import { installIntake, isLate, longestTimeoutMs } from './review-intake.ts'
import { createWebhookMetrics, registerGateMetrics } from './webhook-metrics.ts'
import { greenroomErrorFrom, sendProblem } from './webhook-problem.ts'

export interface WebhookAppOptions extends ReviewSources {
  /** What is known beside the policy when a document is judged; called once per review, so it must not block. */
  readonly configuration?: () => Configuration
  readonly logger: Logger
  readonly registry: Registry
  readonly tls: ServingTls
  /** Names of which a caller's certificate must show one to get a review; needs `tls.clientCa`. Without it all may. */
  readonly callers?: readonly string[] | undefined
  readonly ready: () => { readonly ok: boolean; readonly details: unknown }
  /** Aborted when this replica is to get no more connections: its answers then end theirs. */
  readonly draining?: AbortSignal
  readonly gateLimits?: GateLimits
}

/** Two objects of at most 3 MiB (the API server's own limit) and the envelope. */
const bodyLimitBytes = 7 * 1024 * 1024

/** Longer than the 90 s for which the API server keeps an idle connection: we must never be the first to close. */
const keepAliveTimeoutMs = 120_000

/**
 * The admission webhook over HTTPS: POST /mutate, /validate, /validate-config, /validate-namespace, /warn-templates and
 * /explain; GET /livez, /readyz, /metrics. Which namespaces are
 * judged is the webhook configuration's namespaceSelector. Every AdmissionReview is answered with 200 and a decision,
 * also when judging it fails; anything else gets a problem+json and a 4xx.
 */
export function createWebhookApp(options: WebhookAppOptions) {
  const { logger, registry, ready, callers } = options
  const metrics = createWebhookMetrics(registry)
  const context = createContext(options)
  const { configuration = () => bareConfiguration } = options
  const judge = createJudge({ context, configuration, logger, metrics })
  const app = fastify({
    loggerInstance: logger as FastifyBaseLogger,
    https: {
      ...tlsOptions(options.tls),
      // Asked for, never insisted on: probes and scrapes have none. Reviews check it.
      requestCert: callers !== undefined,
      rejectUnauthorized: false,
    },
    bodyLimit: bodyLimitBytes,
    keepAliveTimeout: keepAliveTimeoutMs,
    requestTimeout: longestTimeoutMs,
    // The API server's kept connections outlive the Service's choice of us: fastify's own 503 would refuse pods.
    return503OnClosing: false,
    // Every pod that is created would be four lines; the decisions that matter are logged below.
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: () => randomUUID(),
    // An address that cannot be decoded never reaches the handlers below.
    frameworkErrors: (_error, request, reply) => {
      void sendProblem(reply, request, new GreenroomError('GRN_NOT_FOUND'))
    },
  })
  // A review is JSON; text/plain would reach us as a string.
  app.removeContentTypeParser('text/plain')

  // Before the body is read.
  const onRequest = async (request: FastifyRequest): Promise<void> => {
    if (callers !== undefined) checkReviewCaller(request, callers)
  }
  const gate = createReviewGate(options.gateLimits)
  registerGateMetrics(registry, gate)
  const allRead = createLoopTurn()
  installIntake(app, { gate, metrics, bodyLimitBytes, draining: options.draining })
  for (const endpoint of Object.keys(judges) as Endpoint[]) {
    app.post(`/${endpoint}`, { onRequest }, async (request): Promise<ReviewAnswer> => {
      await allRead()
      const review = decodeReview(request.body)
      if (!review.ok) throw new GreenroomError('GRN_BAD_REVIEW', badReviewDetail(review.problems))
      return judge(endpoint, review.value, { late: isLate(request) })
    })
  }
  addExplainRoute(app, context)
  app.get('/livez', async () => ({ status: 'ok' }))
  app.get('/readyz', async (_request, reply) => {
    const { ok, details } = ready()
    return reply.code(ok ? 200 : 503).send({ status: ok ? 'ready' : 'not ready', details })
  })
  app.get('/metrics', async (_request, reply) =>
    reply.type(registry.contentType).send(await registry.metrics()),
  )

  app.setNotFoundHandler((request, reply) => sendProblem(reply, request, new GreenroomError('GRN_NOT_FOUND')))
  app.setErrorHandler((error, request, reply) => {
    const refusal = greenroomErrorFrom(error)
    metrics.refused.inc({ code: refusal.code })
    if (refusal.status >= 500) request.log.error({ err: error }, 'request failed')
    else request.log.info({ code: refusal.code, url: request.url }, 'request refused')
    return sendProblem(reply, request, refusal)
  })
  return app
}

function badReviewDetail(problems: readonly string[]): string {
  return `This is not an AdmissionReview of admission.k8s.io/v1: ${problems.slice(0, 3).join('; ')}.`
}
