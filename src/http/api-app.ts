import type { TSchema } from 'typebox'
import type { AuditLog } from '../domain/audit.ts'
import type { TimelineReader } from '../domain/session-timeline.ts'
import { GreenroomError } from '../errors.ts'
import type { ManageKeys } from '../identity/manage-keys.ts'
import type { Logger } from '../logging.ts'
import type { Metrics } from '../metrics.ts'
import { createService, type Service } from '../serving/service.ts'
import { addProbeRoutes, type ServiceRouteOptions } from '../serving/service-routes.ts'
import type { FollowEvents } from '../sessions/follow-events.ts'
import type { ProjectLimitsView } from '../sessions/project-limits-view.ts'
import type { ReadAdmission } from '../sessions/read-admission.ts'
import type { ReadPoolHistory } from '../sessions/read-pool-history.ts'
import type { ReadPools } from '../sessions/read-pools.ts'
import type { ReadStatus } from '../sessions/read-status.ts'
import type { ReadUsage } from '../sessions/read-usage.ts'
import type { SteerPools } from '../sessions/steer-pools.ts'
import type { SteerRollout } from '../sessions/steer-rollout.ts'
import { refuseUnacceptable } from './accepted-media.ts'
import { addAdmissionRoute } from './admission-route.ts'
import { addApiDocument } from './api-document.ts'
import { addExamples } from './api-examples.ts'
import { addAuditRoutes } from './audit-routes.ts'
import { authenticate, type Credentials, hasScope } from './authenticate.ts'
import { addBatchRoute, type BatchRouteDeps } from './batch-routes.ts'
import { addBrowserTokenRoute } from './browser-token-route.ts'
import { createCallSignals } from './call-signals.ts'
import { allowOrigins } from './cross-origin.ts'
import { addDashboardRoutes } from './dashboard-routes.ts'
import { addEventRoutes } from './event-routes.ts'
import { createEventStreams, type StreamLimits } from './event-streams.ts'
import { addKeyRoutes } from './key-routes.ts'
import { addLimitRoutes } from './limit-routes.ts'
import { createListGate } from './list-gate.ts'
import { addLiveKitRoute, type LiveKitRouteDeps } from './livekit-route.ts'
import { parseExactJsonOnly } from './parse-exact-json.ts'
import { addPoolHistoryRoute } from './pool-history-route.ts'
import { addPoolRoutes } from './pool-routes.ts'
import { answerTraces } from './request-traces.ts'
import { createRequestValidator } from './request-validator.ts'
import { addRolloutRoutes } from './rollout-routes.ts'
import { addSessionRoutes, type SessionRouteDeps } from './session-routes.ts'
import { type ShedLoadDeps, shedLoad } from './shed-load.ts'
import { addStatusRoutes } from './status-routes.ts'
import { addSteerPoolRoutes } from './steer-pool-routes.ts'
import { tellVersion } from './tell-version.ts'
import { addTimelineRoute } from './timeline-route.ts'
import { addTryRoutes, type TryPageOptions } from './try-routes.ts'
import { addUsageRoutes } from './usage-routes.ts'
import { addWebhookRoutes, type WebhookRouteDeps } from './webhook-routes.ts'
import { addWhoamiRoute } from './whoami-route.ts'

export interface ApiAppDeps
  extends SessionRouteDeps,
    Credentials,
    BatchRouteDeps,
    WebhookRouteDeps,
    ShedLoadDeps,
    Pick<ServiceRouteOptions, 'checks'> {
  readonly readPools: ReadPools
  readonly steerRollout: SteerRollout
  readonly readPoolHistory: ReadPoolHistory
  readonly steerPools: SteerPools
  readonly readStatus: ReadStatus
  readonly readAdmission: ReadAdmission
  readonly timelines: TimelineReader
  readonly readUsage: ReadUsage
  readonly manageKeys: ManageKeys
  readonly followEvents: FollowEvents
  readonly metrics: Pick<Metrics, 'eventStreamsEnded' | 'requestsShed'>
  /** Of event streams; each has a default. */
  readonly streamLimits?: Partial<StreamLimits>
  readonly projectLimits: ProjectLimitsView
  readonly auditLog: Pick<AuditLog, 'list'>
  /** The page at /try; undefined: there is none. */
  readonly tryPage?: TryPageOptions | undefined
  /** Whether the page at /dashboard is served; not unless it is said. */
  readonly dashboard?: boolean
  /** undefined without LiveKit: there is no such route then. */
  readonly liveKit: LiveKitRouteDeps | undefined
  /** Whose pages may call the API from a browser: `https://app.example`. */
  readonly origins: readonly string[]
  /** Aborted when this replica drains. */
  readonly draining: AbortSignal
  readonly logger: Logger
}

const limits = {
  /** Metadata and secrets of a session; files belong elsewhere. */
  bodyLimit: 256 * 1024,
  /** Above the 60 s that common load balancers keep idle connections: they must be the first to close. */
  keepAliveTimeout: 75_000,
  /** For a whole request to arrive: enough for 256 KiB over a slow link, and a trickle holds no connection. */
  requestTimeout: 10_000,
}

/** The session API (DESIGN §9). Listens to nothing yet. */
export async function createApiApp(deps: ApiAppDeps): Promise<Service> {
  const app = createService({ logger: deps.logger, limits, draining: deps.draining })
  app.setValidatorCompiler<TSchema>(({ schema, httpPart }) => createRequestValidator(schema, httpPart))
  parseExactJsonOnly(app)
  app.decorateRequest('sessionRight', undefined)
  app.decorateRequest('browserRight', undefined)
  app.decorateRequest('caller', undefined)
  app.addHook('onRoute', (route) => {
    if (!hasScope(route)) throw new Error(`${String(route.method)} ${route.url} says no scope that it needs`)
  })
  allowOrigins(app, deps.origins)
  answerTraces(app)
  tellVersion(app)
  shedLoad(app, deps)
  app.addHook('onRequest', async (request) => authenticate(request, deps))
  refuseUnacceptable(app)
  addExamples(app)
  await addApiDocument(app)
  const tools = { signalOf: createCallSignals(deps.draining), enterListGate: createListGate() }
  addSessionRoutes(app, deps, tools)
  addBatchRoute(app, deps, tools.signalOf)
  addBrowserTokenRoute(app, deps)
  addPoolRoutes(app, deps.readPools, tools)
  addRolloutRoutes(app, deps.steerRollout)
  addPoolHistoryRoute(app, deps.readPoolHistory)
  addSteerPoolRoutes(app, deps.steerPools)
  addStatusRoutes(app, deps.readStatus)
  addAdmissionRoute(app, deps.readAdmission)
  addTimelineRoute(app, deps.timelines)
  addUsageRoutes(app, { readUsage: deps.readUsage, ...tools })
  addKeyRoutes(app, deps.manageKeys)
  addEventRoutes(app, {
    sessions: deps.sessions,
    followEvents: deps.followEvents,
    streams: createEventStreams(deps),
    isStillAllowed: (request) =>
      authenticate(request, deps).then(
        () => true,
        (error: unknown) => !(error instanceof GreenroomError && error.status < 500),
      ),
  })
  addLimitRoutes(app, deps.projectLimits)
  addAuditRoutes(app, deps.auditLog)
  addWhoamiRoute(app)
  addWebhookRoutes(app, deps)
  if (deps.liveKit) addLiveKitRoute(app, deps.liveKit)
  addProbeRoutes(app, { checks: deps.checks, explains: false })
  if (deps.tryPage) await addTryRoutes(app, deps.tryPage)
  if (deps.dashboard) await addDashboardRoutes(app)
  await app.ready()
  return app
}
