import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import { type FastifyBaseLogger, fastify, LogController } from 'fastify'
import type { Registry } from 'prom-client'
import type { Logger } from '../logging.ts'
import { installProblems, problemOptions } from './problem-replies.ts'
import { addServiceRoutes, type ReadinessChecks } from './service-routes.ts'
import type { TypedApp } from './typed-app.ts'

interface OpsAppDeps {
  readonly logger: Logger
  readonly registry: Registry
  readonly checks: ReadinessChecks
}

/** Probes and metrics of a role that serves nothing else. */
export async function createOpsApp({ logger, registry, checks }: OpsAppDeps): Promise<TypedApp> {
  const app = fastify({
    ...problemOptions,
    loggerInstance: logger as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
  }).withTypeProvider<TypeBoxTypeProvider>()
  installProblems(app)
  addServiceRoutes(app, registry, checks)
  await app.ready()
  return app
}
