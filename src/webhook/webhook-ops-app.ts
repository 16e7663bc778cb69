import type { Logger } from '../logging.ts'
import { createOpsApp } from '../serving/ops-app.ts'
import type { Service } from '../serving/service.ts'
import type { ServiceRouteOptions } from '../serving/service-routes.ts'
import { addExplainRoute } from './explain-route.ts'
import { createContext, type ReviewSources } from './judge-review.ts'
import { defaultIntakeLimits, installIntake } from './review-intake.ts'
import { addStatusRoutes, type WebhookStatusSources } from './status-route.ts'

type WebhookOpsOptions = ReviewSources &
  ServiceRouteOptions &
  Omit<WebhookStatusSources, 'checks'> & { readonly logger: Logger }

/** People explain a pod now and then; a second large one waits for the first. */
const intakeLimits = { ...defaultIntakeLimits, bytes: 2 * 1024 * 1024, large: 1, waiting: 2 }

/**
 * Metrics, the facts behind readiness, GET /status and /admission, and POST /explain, over plain HTTP on a port of their own: nobody who asks here takes
 * a connection or a place from reviews, and a network policy can tell the two apart.
 */
export function createWebhookOpsApp(options: WebhookOpsOptions): Promise<Service> {
  return createOpsApp({
    ...options,
    addRoutes(app) {
      installIntake(app, { limits: intakeLimits })
      addExplainRoute(app, createContext(options))
      addStatusRoutes(app, options)
    },
  })
}
