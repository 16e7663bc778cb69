import { readFile } from 'node:fs/promises'
import { loadKubeAccess } from '../cluster/kube-access.ts'
import { createKubeClients } from '../cluster/kube-clients.ts'
import { createPodInformer } from '../cluster/pod-informer.ts'
import { type Config, opsPort } from '../config.ts'
import { createAgentDelivery } from '../delivery/agent-delivery.ts'
import { loadSigningKeys, type SigningKeys } from '../delivery/signing-keys.ts'
import { warmUpDeliveries } from '../delivery/warm-up-deliveries.ts'
import { GreenroomError } from '../errors.ts'
import { createApiApp } from '../http/api-app.ts'
import { createSessionAudit } from '../http/session-audit.ts'
import { createAuditTrail } from '../identity/audit-trail.ts'
import { watchOverload } from '../serving/overload.ts'
import type { Service } from '../serving/service.ts'
import type { CheckState } from '../serving/service-routes.ts'
import { createEventFeed, type EventFeed } from '../sessions/event-feed.ts'
import { createFollowEvents } from '../sessions/follow-events.ts'
import { createSessionApi, type SessionApi } from '../sessions/session-api.ts'
import { createWebhookSigner } from '../sessions/webhook-signer.ts'
import { every } from '../timing/every.ts'
import { pause } from '../timing/pause.ts'
import { createCallers } from './callers.ts'
import { createDatabaseHealth } from './database-health.ts'
import { createIndexHealth } from './index-health.ts'
import { leasesOutOfReach } from './lease-reach.ts'
import { liveKitOf } from './live-kit.ts'
import { createPoolSteering } from './pool-steering.ts'
import { watchPools } from './pools-watch.ts'
import type { RoleContext } from './role.ts'
import { startSigningNotes } from './signing-notes.ts'
import { createStatusReading } from './status-reading.ts'
import { connectStores, type Stores } from './stores.ts'
import { warmUpRequests } from './warm-up-requests.ts'

/** For the stop after the drain: longer than any open takes, shorter than what a drain of 15 s leaves of Kubernetes' 30 s. */
const closeWithinMs = 10_000

/** How often a replica notes that it can take renewals; readiness shows whether it could. See renewalGapMs. */
const livenessMs = 1_000

/** The session API: claims, keeps and ends sessions. Of Kubernetes it writes agent-pools alone, when somebody changes a pool. */
export async function startApi(config: Config<'api'>, context: RoleContext): Promise<void> {
  const { logger, metrics, instance } = context
  const keys = await loadSigningKeys(await readFile(config.GREENROOM_ASSIGN_KEY_FILE, 'utf8'))
  const stores = await connectStores(config, context)
  await startSigningNotes({ signers: stores.signers, keyIds: keys.kids }, context)
  const { pods, pools, clients } = await watchCluster(config, context)
  const liveKit = liveKitOf(config, pools)
  if (!liveKit) logger.warn('LIVEKIT_* is not set: answers have no livekit part and agents get no room token')
  const draining = new AbortController()
  const { eventFeed, followEvents } = createEvents(stores, context)
  const sessionApi = createSessionApi({
    ...stores,
    sessions: {
      ...stores.sessions,
      // No wake-up tells of it: most activations concern nobody else.
      async activate(id, epoch, steps) {
        const times = await stores.sessions.activate(id, epoch, steps)
        eventFeed.nudge()
        return times
      },
    },
    pods,
    pools,
    delivery: createAgentDelivery({ keys }),
    roomAccess: liveKit?.access,
    hmacSecret: config.GREENROOM_HMAC_SECRET,
    apiUrl: config.GREENROOM_API_URL,
    replica: instance,
    draining: draining.signal,
    metrics,
    logger,
    now: () => performance.now(),
  })
  const database = createDatabaseHealth(stores, instance)
  const index = createIndexHealth(stores, () => Object.keys(pools.current()?.pools ?? {}), metrics)
  const callers = await createCallers(config, stores, clients.transport, logger)
  const onDropped = (count: number) => metrics.auditDropped.inc(count)
  const audit = createAuditTrail({ log: stores.auditLog, onDropped })
  await context.lifecycle.start({ name: 'audit trail', stop: () => audit.flush() })
  const headStarts = headStartsOf(config.GREENROOM_PROJECT_PRIORITIES)
  const checks = () => ({
    draining: checkState(!draining.signal.aborted),
    postgresql: checkState(database.isThere()),
    kubernetes: checkState(pods.synced(), pods.staleSince() === undefined),
    pools: checkState(pools.current() !== undefined, pools.status().problems === undefined),
    redis: checkState(true, index.isWell()),
  })
  const statusReading = createStatusReading(config, {
    stores,
    pods,
    pools,
    coordination: clients.coordination,
    liveKit,
    indexIsWell: () => index.isWell(),
    readPools: sessionApi.readPools,
  })
  const overload = watchOverload(stores)
  await context.lifecycle.start({ name: 'overload watch', stop: () => overload.stop() })
  const app = await createApiApp({
    ...sessionApi,
    ...statusReading,
    steerPools: createPoolSteering(config, { clients, stores, pods, note: (fact) => audit.note(fact) }),
    followEvents,
    eventWebhooks: stores.eventWebhooks,
    webhookSecretOf: createWebhookSigner(config.GREENROOM_HMAC_SECRET).secretOf,
    overload: overload.now,
    metrics,
    liveKit: liveKit && {
      readRoomEvent: (rawBody, authorization) => liveKit.events.read(rawBody, authorization),
      takeRoomEvent: sessionApi.takeRoomEvent,
      onRefused: () => metrics.roomEvents.inc({ event: 'other', outcome: 'refused' }),
    },
    headStartMs: (projectId) => headStarts.get(projectId ?? '') ?? 0,
    draining: draining.signal,
    identify: callers.identify,
    manageKeys: callers.manageKeys,
    origins: config.GREENROOM_CORS_ORIGINS === '' ? [] : config.GREENROOM_CORS_ORIGINS.split(','),
    auditLog: stores.auditLog,
    noteSession: createSessionAudit(audit),
    publicDocument: config.GREENROOM_PUBLIC_DOCS,
    dashboard: true,
    tryPage: config.GREENROOM_TRY_PAGE
      ? { liveKitUrl: config.GREENROOM_LIVEKIT_PUBLIC_URL ?? config.LIVEKIT_URL }
      : undefined,
    checks,
    logger,
  })
  await startFeed(eventFeed, context)
  await startLoops(context, {
    'replica-liveness': () => database.look(),
    'cold-opens': () => sessionApi.adoptOrphans(),
    'left-behind': () => sessionApi.settleLeftBehind(),
    'project-limits': () => sessionApi.projectLimits.look(),
    'index-health': () => index.look(),
    ...callers.loops,
    'audit-trail': () => audit.flush(),
  })
  await context.ops.add('api', { host: config.GREENROOM_HOST, port: opsPort(config), checks })
  await serve({ app, keys, draining, sessionApi }, config, context)
}

function createEvents({ eventLog: log, wakes }: Stores, { metrics, logger }: RoleContext) {
  const eventFeed = createEventFeed({ log, wakes, metrics, logger, now: () => performance.now() })
  return { eventFeed, followEvents: createFollowEvents({ log, feed: eventFeed }) }
}

async function startFeed(feed: EventFeed, { lifecycle }: RoleContext): Promise<void> {
  const stopping = new AbortController()
  let running: Promise<void> | undefined
  await lifecycle.start({
    name: 'event feed',
    start() {
      running = feed.run(stopping.signal)
    },
    async stop() {
      stopping.abort()
      await running
    },
  })
}

/** The informer's pods and `agent-pools`. */
async function watchCluster(config: Config<'api'>, { lifecycle, logger }: RoleContext) {
  const clients = createKubeClients({ access: await loadKubeAccess(config) })
  const namespace = config.GREENROOM_NAMESPACE
  const pods = createPodInformer({ transport: clients.transport, namespace, logger })
  const pools = watchPools({ clients, namespace, logger, keeps: false })
  pools.onChange((document) => {
    const agentTypes = leasesOutOfReach(document, config.GREENROOM_API_URL)
    if (agentTypes.length > 0)
      logger.warn(
        { agentTypes },
        'GREENROOM_API_URL is not set: agents that hold their lease cannot renew it',
      )
  })
  await lifecycle.start({ name: 'api clients', stop: () => clients.close() })
  await lifecycle.start({ name: 'pod informer', start: () => pods.start(), stop: () => pods.stop() })
  await lifecycle.start({ name: 'agent-pools', start: () => pools.start(), stop: () => pools.stop() })
  return { pods, pools, clients }
}

async function startLoops(
  { lifecycle, logger, metrics }: RoleContext,
  work: Readonly<Record<string, () => Promise<void>>>,
): Promise<void> {
  const stopping = new AbortController()
  const { signal } = stopping
  let loops: Promise<unknown> | undefined
  await lifecycle.start({
    name: 'background loops',
    start() {
      loops = Promise.all(
        Object.entries(work).map(([name, look]) =>
          every({ name, everyMs: livenessMs, signal, logger, metrics }, look),
        ),
      )
    },
    async stop() {
      stopping.abort()
      await loops
    },
  })
}

interface Served {
  readonly app: Service
  readonly keys: SigningKeys
  readonly draining: AbortController
  readonly sessionApi: Pick<SessionApi, 'handOver' | 'activationsDone'>
}

async function serve(
  { app, keys, draining, sessionApi }: Served,
  config: Config<'api'>,
  { lifecycle, logger }: RoleContext,
): Promise<void> {
  await lifecycle.start({
    name: 'session api',
    // The requests that are still served need the stores, which stop after this part.
    stopWithinMs: config.GREENROOM_DRAIN_MS + closeWithinMs,
    async start() {
      await Promise.all([
        warmUpDeliveries(keys),
        warmUpRequests(app, config.GREENROOM_API_KEYS.split(',')[0] ?? ''),
      ])
      const url = await app.listen({ host: config.GREENROOM_HOST, port: config.GREENROOM_PORT })
      logger.info({ url }, 'session API is listening')
    },
    async stop() {
      // Opens that wait for a pod are refused at once, so that their callers may wait at another replica.
      draining.abort(
        new GreenroomError('GRN_SHUTTING_DOWN', 'This replica is shutting down.', { retryAfterMs: 1_000 }),
      )
      await sessionApi.handOver()
      await pause(config.GREENROOM_DRAIN_MS)
      await app.close()
      await sessionApi.activationsDone()
    },
  })
}

/** "checkout=30,batch=5" as milliseconds by project; config.ts has checked the form. */
function headStartsOf(priorities: string): ReadonlyMap<string, number> {
  const pairs = priorities === '' ? [] : priorities.split(',').map((pair) => pair.split('='))
  return new Map(pairs.map(([project = '', seconds]) => [project, Number(seconds) * 1_000]))
}

function checkState(isThere: boolean, isWell = true): CheckState {
  if (!isThere) return 'failed'
  return isWell ? 'ok' : 'degraded'
}
