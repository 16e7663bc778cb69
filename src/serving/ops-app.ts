import type { Logger } from '../logging.ts'
import { createService, type Service } from './service.ts'
import { addServiceRoutes, type ServiceRouteOptions } from './service-routes.ts'

/** The server of a process that answers probes and scrapes alone. */
export async function createOpsApp(
  options: ServiceRouteOptions & { readonly logger: Logger },
): Promise<Service> {
  const app = createService({ logger: options.logger })
  addServiceRoutes(app, options)
  await app.ready()
  return app
}
