import { randomUUID } from 'node:crypto'
import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyRequest,
  fastify,
  LogController,
  type RawReplyDefaultExpression,
  type RawRequestDefaultExpression,
  type RawServerDefault,
} from 'fastify'
import type { Registry } from 'prom-client'
import type { TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import { describeErrors } from '../domain/checked-document.ts'
import { GreenroomError } from '../errors.ts'
import type { Logger } from '../logging.ts'
import type { ReadPools } from '../sessions/read-pools.ts'
import type { SessionRight, SessionTokens } from '../sessions/session-token.ts'
import { addPoolRoutes, addServiceRoutes, type ReadinessChecks } from './ops-routes.ts'
import { installProblems } from './problem.ts'
import { addSessionRoutes, type SessionRouteDeps } from './session-routes.ts'

export type TypedApp = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>

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
/** Above the 60 s that common load balancers keep idle connections: they must be the first to close. */
const keepAliveTimeoutMs = 75_000

/** The session API (DESIGN §9). Listens to nothing yet. */
export async function createApiApp(deps: ApiAppDeps): Promise<TypedApp> {
  const app = fastify({
    loggerInstance: deps.logger as FastifyBaseLogger,
    bodyLimit: bodyLimitBytes,
    keepAliveTimeout: keepAliveTimeoutMs,
    // A line for each of thousands of opens a second says nothing that the metrics do not say better.
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: () => randomUUID(),
  }).withTypeProvider<TypeBoxTypeProvider>()
  app.setValidatorCompiler(({ schema, httpPart }) => validatorOf(schema as TSchema, httpPart))
  installProblems(app)
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
  return (given: unknown) => {
    const value = validator.Default(httpPart === 'body' ? given : validator.Convert(given))
    if (validator.Check(value)) return { value }
    const problems = describeErrors(validator.Errors(value)).join('; ')
    return { error: new GreenroomError('GRN_INVALID_REQUEST', `${httpPart ?? 'request'} ${problems}.`) }
  }
}

/** /v1 needs an API key; renewing and ending a session may be done with that session's own token as well. */
async function authenticate(request: FastifyRequest, deps: ApiAppDeps): Promise<void> {
  if (!request.url.startsWith('/v1/')) return
  const bearer = /^Bearer (\S{1,512})$/i.exec(request.headers.authorization ?? '')?.[1]
  if (bearer !== undefined) {
    const right = request.routeOptions.config.sessionToken ? deps.sessionTokens.verify(bearer) : undefined
    if (right && right.sessionId === (request.params as { id?: string }).id) {
      request.sessionRight = right
      return
    }
    if (deps.isApiKey(bearer)) return
  }
  throw new GreenroomError('GRN_UNAUTHENTICATED')
}
