import type { Logger } from '../logging.ts'
import { createService, type Service } from './service.ts'
import { addServiceRoutes, type ServiceRouteOptions } from './service-routes.ts'

const limits = {
  // A few probes and scrapers, each with a connection or two.
  connections: { total: 200, perAddress: 100, headMs: 5_000 },
}

/** The server of probes, scrapes and what else only operators ask for. */
export async function createOpsApp(
  options: ServiceRouteOptions & { readonly logger: Logger; readonly addRoutes?: (app: Service) => void },
): Promise<Service> {
  const app = createService({ logger: options.logger, limits })
  options.addRoutes?.(app)
  addServiceRoutes(app, options)
  await app.ready()
  return app
}
