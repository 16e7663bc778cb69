import { readFile } from 'node:fs/promises'
import { assignKeysFrom } from '../admission/policy/public-assign-keys.ts'
import type { DocumentExaminer } from '../cluster/document-examination.ts'
import { createEventRecorder } from '../cluster/event-recorder.ts'
import { loadKubeAccess } from '../cluster/kube-access.ts'
import { createKubeClients } from '../cluster/kube-clients.ts'
import { createLeaseElector } from '../cluster/lease-elector.ts'
import { createLimitRangeWatch } from '../cluster/limit-range-watch.ts'
import { livePods, pooledPodObjects } from '../cluster/live-pods.ts'
import { createPodInformer, type PodInformer } from '../cluster/pod-informer.ts'
import { createPodWriter } from '../cluster/pod-writer.ts'
import { createQuotaWatch } from '../cluster/quota-watch.ts'
import { type Config, opsPort } from '../config.ts'
import { createAgentRemovals } from '../controllers/agent-removals.ts'
import { announceEndings, createController } from '../controllers/controller.ts'
import { createDriftWatch } from '../controllers/drift-watch.ts'
import { createIndexSync } from '../controllers/index-sync.ts'
import { createInvariantWatch } from '../controllers/invariant-watch.ts'
import { createPendingGrace } from '../controllers/pending-grace.ts'
import { createPodDeaths } from '../controllers/pod-deaths.ts'
import { createPoolPods } from '../controllers/pool-pods.ts'
import { createPoolReconciler } from '../controllers/pool-reconciler.ts'
import { createPoolTrial } from '../controllers/pool-trial.ts'
import { hasMoreRoom } from '../controllers/quota-room.ts'
import { createRecentWrites } from '../controllers/recent-writes.ts'
import { createReliefs } from '../controllers/relief.ts'
import { createRetention } from '../controllers/retention.ts'
import { createSessionReconciler } from '../controllers/session-reconciler.ts'
import { createVanishedPods } from '../controllers/vanished-pods.ts'
import { createAgentDelivery } from '../delivery/agent-delivery.ts'
import { loadSigningKeys } from '../delivery/signing-keys.ts'
import type { AgentPod } from '../domain/agent-pod.ts'
import { configMapName } from '../domain/names.ts'
import type { PoolsDocument } from '../domain/pool.ts'
import type { RoomService } from '../domain/ports.ts'
import { GreenroomError } from '../errors.ts'
import { createRoomService } from '../livekit/room-service.ts'
import { pause } from '../timing/pause.ts'
import { watchControllerDocuments } from './controller-documents.ts'
import type { RoleContext } from './role.ts'
import { connectStores } from './stores.ts'

/** The manifests' Role allows this one Lease. */
const leaseName = 'greenroom-controller'

/** The pool controller, the only writer of pods. Every process of this role watches; only the elected one acts. */
export async function startController(config: Config<'controller'>, context: RoleContext): Promise<void> {
  const { lifecycle, logger, metrics, instance } = context
  const keys = await loadSigningKeys(await readFile(config.GREENROOM_ASSIGN_KEY_FILE, 'utf8'))
  const stores = await connectStores(config, context)
  const { ledger, wakes, index, notices } = stores
  const clients = createKubeClients({ access: await loadKubeAccess(config) })
  const { transport } = clients
  const namespace = config.GREENROOM_NAMESPACE
  await lifecycle.start({ name: 'api clients', stop: () => clients.close() })
  const events = createEventRecorder({
    clients,
    namespace,
    component: 'greenroom.dev/controller',
    instance,
    logger,
  })
  await lifecycle.start({ name: 'events', stop: () => events.stop() })

  const pods = createPodInformer({ transport, namespace, logger })
  const writer = createPodWriter({ clients, namespace })
  const now = () => Date.now()
  const monotonicMs = () => performance.now()
  let leading = false
  const examiner: DocumentExaminer<PoolsDocument> = {
    decides: () => leading,
    examine: (next, inForce) => poolTrial.examine(next, inForce),
  }
  const documents = watchControllerDocuments({ clients, namespace, logger, events, examiner })
  const { pools, policy, assignKeys, report } = documents
  const poolTrial = createPoolTrial({
    pools,
    policy,
    writer,
    tried: (agentType, refusal) => poolReconciler.tried(agentType, refusal),
    reportUntried: (note) => report('pools', { action: 'Try', reason: 'PodsNotTried', note }),
    reportRow: (note) => report('policy', { action: 'Try', reason: 'PodsRefused', note }),
    logger,
  })
  const reliefs = createReliefs()
  policy.onChange(() => reliefs.tell('policy'))
  const quotas = createQuotaWatch({
    transport,
    namespace,
    logger,
    onChange: (before, after) => {
      if (hasMoreRoom(before, after)) reliefs.tell('quota')
    },
  })
  const limitRanges = createLimitRangeWatch({
    transport,
    namespace,
    logger,
    onChange: () => reliefs.tell('limit-range'),
  })
  const onEnding = announceEndings(wakes)
  const grace = createPendingGrace(monotonicMs)
  const podDeaths = createPodDeaths({ ledger, writer, grace, onEnding, logger })
  // Followers note deletions too. When they lead, these pods count as deleted and not as missing.
  pods.onChange((change) => podDeaths.note(change))
  const agentRemovals = createAgentRemovals({ ledger, rooms: roomServiceOf(config), logger, monotonicMs })
  const recentWrites = createRecentWrites(now)
  const reportCreate = (agentType: string, reason: string, message: string) =>
    report('pools', { action: 'Create', reason, note: `${agentType}: ${message}` })
  const poolPods = createPoolPods({
    poolPods: stores.poolPods,
    ledger,
    pools,
    listPods: () => pooledPodObjects(clients.transport, namespace),
    report: reportCreate,
    metrics,
    logger,
    now,
  })
  const poolReconciler = createPoolReconciler({
    pools,
    pods,
    ledger,
    poolPods,
    writer,
    index,
    notices,
    metrics,
    logger,
    now,
    recentWrites,
    indexSync: createIndexSync({ index, wakes, now }),
    podDeaths,
    agentRemovals,
    nodeLostMs: config.GREENROOM_NODE_LOST_SECONDS * 1_000,
    report: reportCreate,
  })
  const controller = createController({
    pools,
    pods,
    ledger,
    wakes,
    metrics,
    logger,
    poolReconciler,
    poolTrial,
    reliefs,
    reconsiderPools: () => pools.reconsider(),
    sessionReconciler: createSessionReconciler({
      ledger,
      pods,
      writer,
      delivery: createAgentDelivery({ keys }),
      recentWrites,
      wakes,
      metrics,
      logger,
      monotonicMs,
    }),
    podDeaths,
    agentRemovals,
    retention: createRetention({
      ledger,
      pods,
      sessionsAfterMs: config.GREENROOM_RETENTION_HOURS * 3_600_000,
      metrics,
      logger,
    }),
    vanishedPods: createVanishedPods({
      ledger,
      pods,
      writer,
      podDeaths,
      grace,
      onEnding,
      report: (reason, note) => report('pools', { action: 'EndSessions', reason, note }),
      metrics,
      logger,
      monotonicMs,
    }),
  })
  for (const part of [
    { name: 'pod informer', watch: pods },
    { name: configMapName.pools, watch: pools },
    { name: configMapName.policy, watch: policy },
    { name: configMapName.assignKeys, watch: assignKeys },
    { name: 'resource quotas', watch: quotas },
    { name: 'limit ranges', watch: limitRanges },
  ]) {
    await lifecycle.start({ name: part.name, start: () => part.watch.start(), stop: () => part.watch.stop() })
  }
  const invariants = createInvariantWatch({
    sources: {
      pods: async () => currentPods(pods),
      ledger: stores.ledgerReader,
      index: stores.indexReader,
      agentTypes: (seen) => [
        ...new Set([...Object.keys(pools.current()?.pools ?? {}), ...seen.map((pod) => pod.agentType)]),
      ],
    },
    metrics,
    logger,
    now,
  })
  const drift = createDriftWatch({
    namespace,
    pods: () => livePods(transport, namespace),
    context: () => {
      const document = policy.current()
      // Without the current keys every pod would seem to have drifted.
      if (!document || !assignKeys.synced()) return undefined
      return { policy: document, assignKeys: assignKeysFrom(assignKeys.current() ?? '') }
    },
    metrics,
    logger,
    now: monotonicMs,
    pause,
  })
  const elector = createLeaseElector({
    clients,
    namespace,
    name: leaseName,
    identity: instance,
    logger,
    async onLeading(signal) {
      leading = true
      try {
        // Followers take what is valid; the leader judges it before it acts on it.
        await pools.reconsider()
        await untilSynced(() => pods.synced() && pools.current() !== undefined, signal)
        if (!signal.aborted)
          await Promise.all([controller(signal), invariants.run(signal), drift.run(signal)])
      } finally {
        leading = false
      }
    },
  })
  await lifecycle.start({ name: 'election', start: () => elector.start(), stop: () => elector.stop() })

  await context.ops.add('controller', {
    host: config.GREENROOM_HOST,
    port: opsPort(config),
    checks: () => ({
      kubernetes: pods.synced() ? 'ok' : 'failed',
      pools: pools.current() ? (pools.status().problems ? 'degraded' : 'ok') : 'degraded',
      redis: stores.redisIsReady() ? 'ok' : 'degraded',
    }),
  })
}

function roomServiceOf({
  LIVEKIT_URL: url,
  LIVEKIT_API_KEY: apiKey,
  LIVEKIT_API_SECRET: apiSecret,
}: Config<'controller'>): RoomService | undefined {
  return url && apiKey && apiSecret ? createRoomService({ url, apiKey, apiSecret }) : undefined
}

/** The informer's pods while it hears from the API server. An old view would report invariants that are not broken. */
function currentPods(pods: PodInformer): readonly AgentPod[] {
  if (pods.synced() && pods.staleSince() === undefined) return pods.all()
  throw new GreenroomError('GRN_KUBERNETES_UNAVAILABLE')
}

/** A leader must not act before it has seen the pods: it would create all of them again. */
async function untilSynced(synced: () => boolean, signal: AbortSignal): Promise<void> {
  while (!synced() && !signal.aborted) await pause(20, signal)
}
