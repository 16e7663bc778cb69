import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyRequest,
  fastify,
  LogController,
} from 'fastify'
import type { Registry } from 'prom-client'
import type { TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import { describeErrors } from '../domain/checked-document.ts'
import { GreenroomError } from '../errors.ts'
import type { Logger } from '../logging.ts'
import { installProblems, problemOptions } from '../serving/problem-replies.ts'
import { addServiceRoutes, type ReadinessChecks } from '../serving/service-routes.ts'
import type { TypedApp } from '../serving/typed-app.ts'
import type { ReadPools } from '../sessions/read-pools.ts'
import type { SessionRight, SessionTokens } from '../sessions/session-token.ts'
import { addPoolRoutes } from './pool-routes.ts'
import { addSessionRoutes, type SessionRouteDeps } from './session-routes.ts'
import { unstorableReason } from './storable-json.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Set when an agent's session token let this request in. */
    sessionRight: SessionRight | undefined
  }
  interface FastifyContextConfig {
    /** This route may be called with the session token of its session. */
    sessionToken?: boolean
  }
}

export interface ApiAppDeps extends SessionRouteDeps {
  readonly isApiKey: (key: string) => boolean
  readonly sessionTokens: Pick<SessionTokens, 'verify'>
  readonly readPools: ReadPools
  readonly readinessChecks: ReadinessChecks
  readonly registry: Registry
  readonly logger: Logger
}

/** Metadata and secrets of a session; files belong elsewhere. */
const bodyLimitBytes = 256 * 1024
/** A refusal names this many problems, each cut to this length: the caller chose the keys, and their number. */
const shownProblems = 5
const shownProblemLength = 200
/** Above the 60 s that common load balancers keep idle connections: they must be the first to close. */
const keepAliveTimeoutMs = 75_000

/** For a whole request to arrive: 256 KiB within it is what the slowest link has, and a trickle holds no connection. */
const requestTimeoutMs = 10_000

/** The session API (DESIGN §9). Listens to nothing yet. */
export async function createApiApp(deps: ApiAppDeps): Promise<TypedApp> {
  const app = fastify({
    ...problemOptions,
    loggerInstance: deps.logger as FastifyBaseLogger,
    bodyLimit: bodyLimitBytes,
    keepAliveTimeout: keepAliveTimeoutMs,
    requestTimeout: requestTimeoutMs,
    // A line for each of thousands of opens a second says nothing that the metrics do not say better.
    logController: new LogController({ disableRequestLogging: true }),
  }).withTypeProvider<TypeBoxTypeProvider>()
  app.setValidatorCompiler(({ schema, httpPart }) => validatorOf(schema as TSchema, httpPart))
  installProblems(app)
  parseJsonOnly(app)
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Greenroom session API',
        version: '1',
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      components: { securitySchemes: { apiKey: { type: 'http', scheme: 'bearer' } } },
      security: [{ apiKey: [] }],
    },
  })
  await app.register(swaggerUi, { routePrefix: '/docs' })
  app.decorateRequest('sessionRight', undefined)
  app.addHook('onRequest', async (request) => authenticate(request, deps))
  // A draining replica lets go of its callers' kept connections: what they send next comes in over another one.
  app.addHook('onSend', (_request, reply, _payload, done) => {
    if (deps.draining.aborted) void reply.header('connection', 'close')
    done()
  })
  addSessionRoutes(app, deps)
  addPoolRoutes(app, deps.readPools)
  addServiceRoutes(app, deps.registry, deps.readinessChecks)
  app.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger())
  await app.ready()
  return app
}

/** The same validator as for ConfigMaps, so that every refusal reads alike. Only text parts are converted. */
function validatorOf(schema: TSchema, httpPart: string | undefined) {
  const validator = Compile(schema)
  const part = httpPart ?? 'request'
  const isText = httpPart !== 'body'
  return (given: unknown) => {
    // First, for what comes after it walks the value by recursion.
    const unfit = unfitReason(given, httpPart)
    if (unfit) return { error: new GreenroomError('GRN_INVALID_REQUEST', `The ${part} ${unfit}.`) }
    const value = validator.Default(isText ? fromText(schema, given as object) : given)
    if (validator.Check(value)) return { value }
    const problems = shortened(describeErrors(validator.Errors(value)))
    return { error: new GreenroomError('GRN_INVALID_REQUEST', `${part} ${problems}.`) }
  }
}

/** What no schema says, of the parts that reach PostgreSQL; ids in paths are judged where they are read. */
function unfitReason(given: unknown, httpPart: string | undefined): string | undefined {
  if (httpPart === 'body') return unstorableReason(given)
  if (httpPart !== 'querystring') return undefined
  const repeated = Object.entries(given as object).find(([, value]) => Array.isArray(value))
  if (repeated) return `has the key ${repeated[0].slice(0, shownProblemLength)} more than once`
  return unstorableReason(given)
}

/** Integers and booleans out of text; typebox's own Convert makes 1 of "1.5" and of "true". */
function fromText(schema: TSchema, given: object): object {
  const { properties = {} } = schema as { properties?: Record<string, { type?: string }> }
  const read = ([key, text]: [string, unknown]): [string, unknown] => {
    const type = Object.hasOwn(properties, key) ? properties[key]?.type : undefined
    if (type === 'integer' && /^-?\d{1,15}$/.test(String(text))) return [key, Number(text)]
    if (type === 'boolean' && (text === 'true' || text === 'false')) return [key, text === 'true']
    return [key, text]
  }
  return Object.fromEntries(Object.entries(given).map(read))
}

function shortened(problems: readonly string[]): string {
  const shown = problems
    .slice(0, shownProblems)
    .map((problem) =>
      problem.length > shownProblemLength ? `${problem.slice(0, shownProblemLength)}…` : problem,
    )
  const more = problems.length - shown.length
  return [...shown, ...(more > 0 ? [`and ${more} more`] : [])].join('; ')
}

/** No other media type than JSON. An empty body under its name is no body: many clients send it with every DELETE. */
function parseJsonOnly(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser('error', 'error')
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    if (body === '' && request.routeOptions.schema?.body === undefined) done(null, undefined)
    else void parse(request, body as string, done)
  })
}

/** /v1 needs an API key; renewing and ending a session may be done with that session's own token as well. */
async function authenticate(request: FastifyRequest, deps: ApiAppDeps): Promise<void> {
  // By the route, not by the address: `/%761/sessions` and `http://host/v1/sessions` lead to the same route.
  const { url = request.url, config } = request.routeOptions
  if (!url.startsWith('/v1/')) return
  const bearer = /^Bearer (\S{1,512})$/i.exec(request.headers.authorization ?? '')?.[1]
  if (bearer !== undefined) {
    const right = config.sessionToken ? deps.sessionTokens.verify(bearer) : undefined
    if (right && right.sessionId === (request.params as { id?: string }).id) {
      request.sessionRight = right
      return
    }
    if (deps.isApiKey(bearer)) return
  }
  throw new GreenroomError('GRN_UNAUTHENTICATED')
}
