import { readFile } from 'node:fs/promises'
import { loadKubeAccess } from '../cluster/kube-access.ts'
import { createKubeClients } from '../cluster/kube-clients.ts'
import { createPodInformer } from '../cluster/pod-informer.ts'
import type { Config } from '../config.ts'
import { createAgentDelivery } from '../delivery/agent-delivery.ts'
import { rehearseDelivery } from '../delivery/delivery-warm-up.ts'
import { loadAssignKeys } from '../delivery/signing-keys.ts'
import type { RoomAccess } from '../domain/ports.ts'
import { GreenroomError } from '../errors.ts'
import { createApiApp } from '../http/api-app.ts'
import { createApiKeys } from '../http/api-keys.ts'
import { createRoomAccess } from '../livekit/room-access.ts'
import type { CheckState, ReadinessChecks } from '../serving/service-routes.ts'
import type { TypedApp } from '../serving/typed-app.ts'
import { createAwaitSession } from '../sessions/await-session.ts'
import { createColdOpens } from '../sessions/cold-open.ts'
import { createCommitSlot } from '../sessions/commit-slot.ts'
import { createDeliverSession } from '../sessions/deliver-session.ts'
import { createCloseSession, createRenewSession } from '../sessions/keep-session.ts'
import { createOpenAttempts } from '../sessions/open-attempts.ts'
import { createOpenSession } from '../sessions/open-session.ts'
import { createPoolWaiters } from '../sessions/pool-waiters.ts'
import { createReadPools } from '../sessions/read-pools.ts'
import { createRefillRate } from '../sessions/refill-rate.ts'
import { createRetirementCap } from '../sessions/retirement-cap.ts'
import { createTokenMint } from '../sessions/room-tokens.ts'
import { createSessionIdentity } from '../sessions/session-identity.ts'
import { createSessionTokens } from '../sessions/session-token.ts'
import { createSlotCandidates, isServable } from '../sessions/slot-candidates.ts'
import { createSlotTaker } from '../sessions/slot-taker.ts'
import { every } from '../timing/every.ts'
import { createDatabaseHealth } from './database-health.ts'
import { createIndexHealth } from './index-health.ts'
import { leasesOutOfReach } from './lease-reach.ts'
import { watchPools } from './pools-watch.ts'
import type { RoleContext } from './role.ts'
import { connectStores } from './stores.ts'

/** Beyond the drain: longer than any open takes, shorter than what Kubernetes leaves of 30 s after a drain of 15 s. */
const closeWithinMs = 10_000

/** How often a replica notes that it can take renewals; readiness shows whether it could. See renewalGapMs. */
const livenessMs = 1_000

/** The session API: claims, keeps and ends sessions. Writes nothing to Kubernetes. */
export async function startApi(config: Config<'api'>, context: RoleContext): Promise<void> {
  const { lifecycle, logger, metrics, instance } = context
  const now = () => performance.now()
  const roomAccess = roomAccessOf(config)
  if (!roomAccess)
    logger.warn('LIVEKIT_* is not set: answers have no livekit part and agents get no room token')

  const keys = await loadAssignKeys(await readFile(config.GREENROOM_ASSIGN_KEY_FILE, 'utf8'))
  const stores = await connectStores(config, context)
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

  const { index, wakes, sessions, ledger, notices } = stores
  const draining = new AbortController()
  const waiters = createPoolWaiters({ index, clock: () => Date.now() })
  pods.onChange(({ pod, gone }) => {
    if (!gone && isServable(pod)) waiters.wake(pod.agentType)
  })
  wakes.subscribe((wake) => {
    if (wake.kind === 'indexed') waiters.wake(wake.agentType)
  })
  const candidates = createSlotCandidates(pods, instance)
  const sessionTokens = createSessionTokens(config.GREENROOM_HMAC_SECRET)
  const awaitSession = createAwaitSession({ sessions, wakes, now })
  const tokens = createTokenMint(roomAccess)
  const attempts = createOpenAttempts({
    sessions,
    commitSlot: createCommitSlot({ sessions, index, candidates, wakes }),
    takeSlot: createSlotTaker({
      index,
      pods,
      candidates,
      waiters,
      refillRate: createRefillRate(pods, now),
      now,
    }),
    deliver: createDeliverSession({
      delivery: createAgentDelivery({ keys }),
      pods,
      sessionToken: (sessionId, epoch) => sessionTokens.mint(sessionId, epoch),
      apiUrl: config.GREENROOM_API_URL,
    }),
    tokens,
    retirementCap: createRetirementCap({ index, now }),
    poolSize: (agentType) => pods.byPool(agentType).length,
    wakes,
    metrics,
    now,
  })
  const coldOpens = createColdOpens({
    attempts,
    awaitSession,
    sessions,
    pools,
    pods,
    wakes,
    replica: instance,
    draining: draining.signal,
    logger,
    now,
  })
  const openSession = createOpenSession({
    pools,
    sessions,
    attempts,
    coldOpens,
    awaitSession,
    identify: createSessionIdentity(config.GREENROOM_HMAC_SECRET),
    tokens,
    metrics,
    now,
  })

  const databaseHealth = createDatabaseHealth(stores, instance)
  const indexHealth = createIndexHealth(stores, () => Object.keys(pools.current()?.pools ?? {}), metrics)
  const readinessChecks: ReadinessChecks = () => ({
    draining: state(!draining.signal.aborted),
    postgresql: state(databaseHealth.isThere()),
    kubernetes: state(pods.synced(), pods.staleSince() === undefined),
    pools: state(pools.current() !== undefined, pools.status().problems === undefined),
    redis: state(true, indexHealth.isWell()),
  })
  const headStarts = parsePriorities(config.GREENROOM_PROJECT_PRIORITIES)
  const app = await createApiApp({
    openSession,
    renewSession: createRenewSession({ sessions }),
    closeSession: createCloseSession({ sessions, wakes }),
    awaitSession,
    sessions,
    roomAccess,
    headStartMs: (projectId) => headStarts.get(projectId ?? '') ?? 0,
    draining: draining.signal,
    isApiKey: createApiKeys(config.GREENROOM_API_KEYS),
    sessionTokens,
    readPools: createReadPools({ pools, pods, ledger, sessions, notices, waiters, index }),
    readinessChecks,
    registry: metrics.registry,
    logger,
  })
  const background = new AbortController()
  let loops: Promise<unknown> | undefined
  const loop = (name: string, everyMs: number, work: () => Promise<void>) =>
    every({ name, everyMs, signal: background.signal, logger, metrics }, work)
  await lifecycle.start({
    name: 'background loops',
    start() {
      loops = Promise.all([
        loop('replica-liveness', livenessMs, () => databaseHealth.look()),
        loop('cold-opens', livenessMs, () => coldOpens.adoptOrphans()),
        loop('index-health', livenessMs, () => indexHealth.look()),
      ])
    },
    async stop() {
      background.abort()
      await loops
    },
  })
  await lifecycle.start({
    name: 'session api',
    // Whatever is still served needs the stores, which stop after it.
    stopWithinMs: config.GREENROOM_DRAIN_MS + closeWithinMs,
    async start() {
      await Promise.all([
        rehearseDelivery(keys),
        rehearseRequests(app, config.GREENROOM_API_KEYS.split(',')[0] ?? ''),
      ])
      const url = await app.listen({ host: config.GREENROOM_HOST, port: config.GREENROOM_PORT })
      logger.info({ url }, 'session API is listening')
    },
    async stop() {
      // Whoever waits for a pod is told at once and may wait at another replica.
      draining.abort(
        new GreenroomError('GRN_SHUTTING_DOWN', 'This replica is shutting down.', { retryAfterMs: 1_000 }),
      )
      await coldOpens.handOver()
      await new Promise((resolve) => setTimeout(resolve, config.GREENROOM_DRAIN_MS))
      await app.close()
    },
  })
}

/** As many as let the engine compile routing, authentication, validation, PostgreSQL's client and serialisation. */
const rehearsedRequests = 40

/** Reads before the first caller does, through everything but the socket; see {@link rehearseDelivery}. */
async function rehearseRequests(app: TypedApp, apiKey: string): Promise<void> {
  const headers = { authorization: `Bearer ${apiKey}` }
  for (let time = 0; time < rehearsedRequests; time += 1)
    await app.inject({ url: '/v1/sessions?limit=1', headers })
}

/** "checkout=30,batch=5" as milliseconds by project; config.ts has checked the form. */
function parsePriorities(text: string): ReadonlyMap<string, number> {
  const pairs = text === '' ? [] : text.split(',').map((pair) => pair.split('='))
  return new Map(pairs.map(([project = '', seconds]) => [project, Number(seconds) * 1_000]))
}

function state(fine: boolean, wholly = true): CheckState {
  return fine ? (wholly ? 'ok' : 'degraded') : 'failed'
}

function roomAccessOf(config: Config<'api'>): RoomAccess | undefined {
  const { LIVEKIT_URL: url, LIVEKIT_API_KEY: apiKey, LIVEKIT_API_SECRET: apiSecret } = config
  return url && apiKey && apiSecret ? createRoomAccess({ url, apiKey, apiSecret }) : undefined
}
