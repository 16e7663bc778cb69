import { randomUUID } from 'node:crypto'
import { type FastifyBaseLogger, type FastifyRequest, fastify, LogController } from 'fastify'
import type { Registry } from 'prom-client'
import type { PolicyDocument } from '../admission/policy/policy-document.ts'
import type { PolicyInForce } from '../admission/policy/policy-in-force.ts'
import { assignKeysFrom, noAssignKeys } from '../admission/policy/public-assign-keys.ts'
import {
  type AdmissionRequest,
  type Answer,
  decodeReview,
  encodeAnswer,
  type ReviewAnswer,
  rulesOfAnswer,
} from '../admission/review/admission-review.ts'
import { bareConfiguration, type Configuration, configReview } from '../admission/review/config-review.ts'
import { namespaceReview } from '../admission/review/namespace-review.ts'
import { mutateReview, validateReview } from '../admission/review/pod-review.ts'
import { templateReview } from '../admission/review/template-review.ts'
import { type ServingTls, tlsOptions } from '../certificates/serving-certificate.ts'
import { GreenroomError } from '../errors.ts'
import type { Logger } from '../logging.ts'
import { addExplainRoute } from './explain-route.ts'
import { createLoopTurn } from './review-batch.ts'
import { checkReviewCaller } from './review-caller.ts'
import { createReviewGate, type GateLimits } from './review-gate.ts'
import { installIntake, isLate, longestTimeoutMs } from './review-intake.ts'
import { createWebhookMetrics, registerGateMetrics, type WebhookMetrics } from './webhook-metrics.ts'
import { greenroomErrorFrom, sendProblem } from './webhook-problem.ts'

export interface WebhookAppOptions {
  /** The policy in force now; called once per review, so it must not block. */
  readonly policy: () => PolicyDocument
  /** Text of the public assign keys, a JWK Set, newest first; empty while there are none. */
  readonly assignKeys: () => string
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

type Review = (request: AdmissionRequest, inForce: PolicyInForce, configuration: Configuration) => Answer
const judges = {
  mutate: mutateReview,
  validate: validateReview,
  'validate-config': configReview,
  'validate-namespace': namespaceReview,
  'warn-templates': templateReview,
} as const satisfies Record<string, Review>
type Endpoint = keyof typeof judges

/** What these cannot judge passes, as it does with `failurePolicy: Ignore` while nobody answers. */
const lenient: ReadonlySet<Endpoint> = new Set(['validate-config', 'warn-templates'])

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

type Judge = (endpoint: Endpoint, request: AdmissionRequest, options: { late: boolean }) => ReviewAnswer

/** What decides, at this moment. */
function createContext({ policy, assignKeys }: WebhookAppOptions): () => PolicyInForce {
  // Parsed once per text, not once per pod.
  let keys = { source: '', parsed: noAssignKeys }
  return () => {
    const source = assignKeys()
    if (source !== keys.source) keys = { source, parsed: assignKeysFrom(source) }
    return { policy: policy(), assignKeys: keys.parsed }
  }
}

interface JudgeDeps {
  readonly context: () => PolicyInForce
  readonly configuration: () => Configuration
  readonly logger: Logger
  readonly metrics: WebhookMetrics
}

function createJudge({ context, configuration, logger, metrics }: JudgeDeps): Judge {
  return (endpoint, request, { late }) => {
    const { uid, operation } = request
    const end = metrics.reviewSeconds.startTimer({ endpoint })
    const { resource } = request.resource
    const seen = { endpoint, operation, resource, namespace: request.namespace, name: request.name, uid }
    let answer: Answer
    let version = 'unknown'
    let decision: string
    try {
      if (late) {
        metrics.late.inc({ endpoint })
        // Nobody listens any more: its fate is decided, and judging it would only delay those that wait.
        answer = notJudged(endpoint, 'the deadline had passed before the review was read')
      } else {
        const current = context()
        version = current.policy.version
        answer = judges[endpoint](request, current, configuration())
      }
      decision = answer.kind === 'patched' && answer.patch.length === 0 ? 'allowed' : answer.kind
    } catch (error) {
      logger.error({ ...seen, err: error }, 'review failed')
      answer = notJudged(endpoint, 'the review failed; the log of the webhook has the reason')
      decision = 'failed'
    }
    note(answer, seen)
    metrics.reviews.inc({ endpoint, operation, decision })
    end()
    return encodeAnswer(uid, answer, version)
  }

  function note(answer: Answer, seen: object): void {
    if (answer.kind === 'patched') for (const rule of rulesOfAnswer(answer)) metrics.changes.inc({ rule })
    for (const { rule, code, mode = 'audit' } of answer.noted ?? [])
      metrics.violations.inc({ rule, code, mode })
    if (answer.kind !== 'denied') return
    const { violations } = answer
    for (const { rule, code, mode = 'enforce' } of violations) metrics.violations.inc({ rule, code, mode })
    // Rules and fields only: values are their owner's.
    const reasons = violations.map(({ code, rule, path }) => ({ code, rule, path }))
    logger.info({ ...seen, reasons }, 'request denied')
  }
}

/** Fails safe: what could not be judged is refused, with words that give nothing away. */
function notJudged(endpoint: Endpoint, found: string): Answer {
  if (lenient.has(endpoint)) return { kind: 'allowed', warnings: [`Greenroom did not judge this: ${found}`] }
  return {
    kind: 'denied',
    violations: [
      {
        rule: 'not-judged',
        code: 'GRN_INTERNAL',
        path: 'object',
        found,
        allowed: 'a judged pod',
        fix: 'Try again.',
      },
    ],
  }
}
