import type { Server as HttpServer } from 'node:http'
import type { ServerOptions as HttpsOptions, Server as HttpsServer } from 'node:https'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import {
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type FastifyServerOptions,
  fastify,
  LogController,
  type RawReplyDefaultExpression,
  type RawRequestDefaultExpression,
} from 'fastify'
import { type ErrorCode, GreenroomError } from '../errors.ts'
import type { Logger } from '../logging.ts'
import { watchMethods } from './allowed-methods.ts'
import { boundConnections, type ConnectionLimits } from './connection-bounds.ts'
import { greenroomErrorOf } from './greenroom-error-of.ts'
import { pathOf } from './problem.ts'
import { requestIdOf } from './request-id.ts'
import { sendProblem, sendProblemOfParser } from './send-problem.ts'

/** The fastify of every server of Greenroom; routes take their types from their TypeBox schemas. */
export type Service<Server extends HttpServer | HttpsServer = HttpServer> = FastifyInstance<
  Server,
  RawRequestDefaultExpression<Server>,
  RawReplyDefaultExpression<Server>,
  Logger,
  TypeBoxTypeProvider
>

export interface ServiceOptions {
  readonly logger: Logger
  /** Each number with its reason where it is chosen; without one, fastify's own. */
  readonly limits?: Pick<FastifyServerOptions, 'bodyLimit' | 'keepAliveTimeout' | 'requestTimeout'> & {
    readonly connections?: ConnectionLimits
  }
  /** Aborted when this replica drains: every answer then asks its caller to close the connection. */
  readonly draining?: AbortSignal | undefined
  /** Answered for an address that cannot be decoded. */
  readonly badAddress?: ErrorCode
  /** Told of every error that a route or the reading of its body ended with, as it is answered. */
  readonly onRefused?: (error: GreenroomError) => void
}

const defaultConnections: ConnectionLimits = {
  // Some 10 KB each without TLS. A load balancer brings all its callers from one address.
  total: 10_000,
  perAddress: 10_000,
  headMs: 10_000,
}

/**
 * Node looks at its time-outs only every 30 s by default, so 10 s became up to 40. Its limit for heads (60 s) also counts
 * the time before the first byte: a client that opened its connection ahead of need was cut off just as it used it. The
 * connection bounds limit heads instead.
 */
const timeouts = { connectionsCheckingInterval: 1_000, headersTimeout: 0 }

/**
 * The base of the session API, the admission webhook and the controller's probes: request ids, the logger, and
 * problem+json for whatever is refused, also before there is a route. It has no routes and listens to nothing yet.
 */
export function createService(
  options: ServiceOptions & { readonly https: HttpsOptions },
): Service<HttpsServer>
export function createService(options: ServiceOptions): Service
export function createService(options: ServiceOptions & { readonly https?: HttpsOptions }): Service {
  const { logger, https, badAddress } = options
  const { connections = defaultConnections, ...limits } = options.limits ?? {}
  const app = fastify({
    // Node's own is 0: a request that never ends holds its connection for ever.
    requestTimeout: 10_000,
    ...limits,
    ...(https ? { https: { ...https, ...timeouts } } : { http: timeouts }),
    // A project id of 200 characters, each of them four bytes that are escaped. fastify's own is 100.
    routerOptions: { maxParamLength: 2_400 },
    loggerInstance: logger,
    // One line for each of thousands of requests a second says less than the metrics do.
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'requestId' }),
    genReqId: ({ headers }) => requestIdOf(headers),
    // While the server closes, requests on kept connections are served: fastify's own 503 would fail opens and pods.
    return503OnClosing: false,
    frameworkErrors(error, request, reply) {
      void sendProblem(request, reply, badAddress ? new GreenroomError(badAddress) : greenroomErrorOf(error))
    },
    clientErrorHandler: sendProblemOfParser,
  }).withTypeProvider<TypeBoxTypeProvider>()
  answerRequestIds(app)
  refuseCodedBodies(app)
  boundConnections(app.server, connections)
  answerErrors(app, options, watchMethods(app))
  endConnectionsWhileDraining(app, options.draining)
  return app
}

/** First of all hooks, so that whatever is refused after it is found in the log as well. */
function answerRequestIds(app: Service): void {
  app.addHook('onRequest', (request, reply, done) => {
    void reply.header('x-request-id', request.id)
    done()
  })
}

/** A compressed body would be called invalid JSON, and unpacking it is a way to fill this process's memory. */
function refuseCodedBodies(app: Service): void {
  app.addHook('onRequest', (request, reply, done) => {
    const coding = request.headers['content-encoding']
    if (coding === undefined || /^\s*identity\s*$/i.test(coding)) return done()
    void reply.header('accept-encoding', 'identity')
    const detail = `The body is coded as "${coding.slice(0, 64)}" (Content-Encoding), which this server does not read.`
    done(new GreenroomError('GRN_UNSUPPORTED_MEDIA_TYPE', detail))
  })
}

function answerErrors(
  app: Service,
  { onRefused }: ServiceOptions,
  methodsOf: (path: string) => readonly string[],
): void {
  const errorOfAddress = (request: FastifyRequest, reply: FastifyReply): GreenroomError => {
    const path = pathOf(request.url)
    const methods = methodsOf(path)
    if (methods.length === 0)
      return new GreenroomError('GRN_NOT_FOUND', `${request.method} ${path} does not exist.`)
    void reply.header('allow', methods.join(', '))
    return new GreenroomError('GRN_METHOD_NOT_ALLOWED', `${path} does not take ${request.method}.`)
  }
  app.setErrorHandler<FastifyError>((thrown, request, reply) => {
    // fastify reads bodies first, also for an address that is not there, where the body does not matter.
    if (request.is404 && /^FST_ERR_(CTP|ROUTE)_/.test(thrown.code ?? ''))
      return sendProblem(request, reply, errorOfAddress(request, reply))
    const error = greenroomErrorOf(thrown)
    const isServerError = error.status >= 500
    onRefused?.(error)
    const details = {
      code: error.code,
      path: pathOf(request.url),
      detail: error.message,
      err: isServerError ? thrown : undefined,
    }
    // A 5xx that says when to come back (an empty pool, a drain) is expected.
    if (isServerError && error.retryAfterMs === undefined) request.log.error(details, 'request failed')
    else request.log.info(details, 'request refused')
    return sendProblem(request, reply, error)
  })
  app.setNotFoundHandler((request, reply) => sendProblem(request, reply, errorOfAddress(request, reply)))
}

/** The caller's next request then comes over a new connection, which another replica takes. */
function endConnectionsWhileDraining(app: Service, draining: AbortSignal | undefined): void {
  if (draining === undefined) return
  app.addHook('onSend', (_request, reply, _payload, done) => {
    if (draining.aborted) void reply.header('connection', 'close')
    done()
  })
}
