import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { effectiveRow } from '../admission/policy/effective-row.ts'
import { assignKeysFrom } from '../admission/policy/public-assign-keys.ts'
import { rowDigest } from '../admission/policy/row-digest.ts'
import type { DocumentExaminer } from '../cluster/document-examination.ts'
import { createEventRecorder } from '../cluster/event-recorder.ts'
import { loadKubeAccess } from '../cluster/kube-access.ts'
import { createKubeClients } from '../cluster/kube-clients.ts'
import { createLeaseElector } from '../cluster/lease-elector.ts'
import { pooledPodObjects } from '../cluster/live-pods.ts'
import { createPodInformer } from '../cluster/pod-informer.ts'
import { createPodWriter } from '../cluster/pod-writer.ts'
import { type Config, opsPort } from '../config.ts'
import { createAgentRemovals } from '../controllers/agent-removals.ts'
import { announceEndings, createController } from '../controllers/controller.ts'
import { createForgottenSessions } from '../controllers/forgotten-sessions.ts'
import { createIndexSync } from '../controllers/index-sync.ts'
import { createPendingGrace } from '../controllers/pending-grace.ts'
import { createPodDeaths } from '../controllers/pod-deaths.ts'
import { createPodGrowth } from '../controllers/pod-growth.ts'
import { createPodLives } from '../controllers/pod-lives.ts'
import { createPoolEvents } from '../controllers/pool-events.ts'
import { createPoolPods } from '../controllers/pool-pods.ts'
import { createPoolReconciler } from '../controllers/pool-reconciler.ts'
import { createPoolRollouts } from '../controllers/pool-rollouts.ts'
import { createPoolRoom } from '../controllers/pool-room.ts'
import { createPoolSizes } from '../controllers/pool-sizes.ts'
import { createPoolTargets } from '../controllers/pool-targets.ts'
import { createPoolTrial } from '../controllers/pool-trial.ts'
import { createQuotaShares } from '../controllers/quota-shares.ts'
import { createRecentWrites } from '../controllers/recent-writes.ts'
import { createRetention } from '../controllers/retention.ts'
import { createSessionReconciler } from '../controllers/session-reconciler.ts'
import { createVanishedPods } from '../controllers/vanished-pods.ts'
import { createAgentDelivery } from '../delivery/agent-delivery.ts'
import { loadSigningKeys } from '../delivery/signing-keys.ts'
import { configMapName, controllerLeaseName } from '../domain/names.ts'
import type { PoolsDocument } from '../domain/pool.ts'
import { pause } from '../timing/pause.ts'
import { watchClusterRoom } from './cluster-room.ts'
import { watchControllerDocuments } from './controller-documents.ts'
import { createEventTelling } from './event-telling.ts'
import { createKeyKeeping } from './key-keeping.ts'
import { createLeaderChecks } from './leader-checks.ts'
import { createLeaderNotes } from './leader-notes.ts'
import { liveKitOf } from './live-kit.ts'
import type { RoleContext } from './role.ts'
import { createRoomKeeping } from './room-keeping.ts'
import { startSigningNotes } from './signing-notes.ts'
import { connectStores } from './stores.ts'

/** The pool controller, the only writer of pods. Every process of this role watches; only the elected one acts. */
export async function startController(config: Config<'controller'>, context: RoleContext): Promise<void> {
  const { lifecycle, logger, metrics, instance } = context
  const keys = await loadSigningKeys(await readFile(config.GREENROOM_ASSIGN_KEY_FILE, 'utf8'))
  const stores = await connectStores(config, context)
  await startSigningNotes({ signers: stores.signers, keyIds: keys.kids }, context)
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
  const liveKit = liveKitOf(config, pools)
  const delivery = createAgentDelivery({ keys })
  const poolTrial = createPoolTrial({
    pools,
    policy,
    writer,
    tried: (agentType, refusal) => poolReconciler.tried(agentType, refusal),
    reportUntried: (note) => report('pools', { action: 'Try', reason: 'PodsNotTried', note }),
    reportRow: (note) => report('policy', { action: 'Try', reason: 'PodsRefused', note }),
    logger,
  })
  const { reliefs, quotas, limitRanges, pendingPods } = watchClusterRoom({
    transport,
    namespace,
    policy,
    logger,
  })
  const onEnding = announceEndings(wakes)
  const grace = createPendingGrace(monotonicMs)
  const podDeaths = createPodDeaths({ ledger, writer, grace, onEnding, logger })
  // Followers note deletions too. When they lead, these pods count as deleted and not as missing.
  pods.onChange((change) => podDeaths.note(change))
  const podLives = createPodLives({
    lives: stores.podLives,
    pods,
    isStale: () => pods.staleSince() !== undefined,
    logger,
    metrics,
    now,
    monotonicMs,
  })
  pods.onChange((change) => podLives.seen(change))
  const agentRemovals = createAgentRemovals({ ledger, rooms: liveKit?.service, logger, monotonicMs })
  const recentWrites = createRecentWrites(now)
  const reportCreate = (agentType: string, reason: string, message: string) =>
    report('pools', { action: 'Create', reason, note: `${agentType}: ${message}` })
  const poolPods = createPoolPods({
    poolPods: stores.poolPods,
    ledger,
    pools,
    listPods: () => pooledPodObjects(clients.transport, namespace),
    onCreated: (pod) => podLives.created(pod),
    report: reportCreate,
    metrics,
    logger,
    now,
  })
  const poolTargets = createPoolTargets({
    feed: stores.demand,
    ledger: stores.poolSizing,
    report: (agentType, reason, message) =>
      report('pools', { action: 'Size', reason, note: `${agentType}: ${message}` }),
    metrics,
    logger,
    newRun: () => randomUUID(),
    now,
  })
  const sizeOf = createPoolSizes({ policy, pods })
  const quotaShares = createQuotaShares({
    quotas: () => quotas.current(),
    sizeOf,
    report: reportCreate,
    metrics,
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
    poolEvents: createPoolEvents({ log: stores.eventLog, logger }),
    targets: poolTargets,
    rollouts: createPoolRollouts({
      revisions: stores.poolRevisions,
      policyDigest: (agentType) => {
        const document = policy.current()
        const row = document && effectiveRow(agentType, document)
        return row && rowDigest(row)
      },
      assignKeyId: () => assignKeysFrom(assignKeys.current() ?? '').keyIds[0],
      report: (agentType, reason, message) =>
        report('pools', { action: 'RollOut', reason, note: `${agentType}: ${message}` }),
      logger,
      now,
    }),
    metrics,
    logger,
    now,
    recentWrites,
    indexSync: createIndexSync({ index, wakes, now }),
    podGrowth: createPodGrowth({
      policy,
      pods,
      writer,
      recentWrites,
      report: reportCreate,
      metrics,
      logger,
      now,
    }),
    poolRoom: createPoolRoom({ quotaShares, sizeOf, pending: pendingPods.current, logger, now }),
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
    isHeard: stores.redisIsReady,
    metrics,
    logger,
    poolReconciler,
    poolTargets,
    sizingLedger: stores.poolSizing,
    poolTrial,
    reliefs,
    reconsiderPools: () => pools.reconsider(),
    sessionReconciler: createSessionReconciler({
      ledger,
      pods,
      writer,
      delivery,
      recentWrites,
      wakes,
      metrics,
      logger,
      monotonicMs,
    }),
    podDeaths,
    agentRemovals,
    projectLimits: stores.projectLimits,
    retention: createRetention({
      ledger,
      lives: stores.podLives,
      auditLog: stores.auditLog,
      eventLog: stores.eventLog,
      partitions: stores.logPartitions,
      pods,
      sessionsAfterMs: config.GREENROOM_RETENTION_HOURS * 3_600_000,
      livesAfterMs: config.GREENROOM_USAGE_RETENTION_DAYS * 86_400_000,
      auditAfterMs: config.GREENROOM_AUDIT_RETENTION_DAYS * 86_400_000,
      metrics,
      logger,
    }),
    forgottenSessions: createForgottenSessions({
      ledger,
      pods,
      report: (reason, note) => report('pools', { action: 'EndSessions', reason, note }),
      metrics,
      logger,
      monotonicMs,
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
    { name: 'pending pods', watch: pendingPods },
  ]) {
    await lifecycle.start({ name: part.name, start: () => part.watch.start(), stop: () => part.watch.stop() })
  }
  const checks = createLeaderChecks({
    transport,
    namespace,
    pods,
    pools,
    policy,
    assignKeys,
    stores,
    metrics,
    logger,
  })
  const oldKeys = createKeyKeeping(config, {
    clients,
    signers: stores.signers,
    pods,
    events,
    metrics,
    logger,
    monotonicMs,
  })
  const roomKeeper =
    liveKit &&
    createRoomKeeping(config, {
      liveKit,
      pools,
      pods,
      roomLedger: stores.roomLedger,
      wakes,
      delivery,
      metrics,
      logger,
      monotonicMs,
    })
  const notes = createLeaderNotes({ stores, instance, pools, policy, metrics, logger })
  const eventTelling = createEventTelling(config, { stores, pools, metrics, logger })
  const elector = createLeaseElector({
    clients,
    namespace,
    name: controllerLeaseName,
    identity: instance,
    logger,
    async onLeading(signal) {
      leading = true
      try {
        // Followers take what is valid; the leader judges it before it acts on it.
        await pools.reconsider()
        await untilSynced(() => pods.synced() && pools.current() !== undefined, signal)
        if (!signal.aborted)
          await Promise.all([
            controller(signal),
            podLives.run(signal),
            checks.run(signal),
            oldKeys.run(signal),
            roomKeeper?.run(signal),
            eventTelling.run(signal),
            notes.run(signal),
          ])
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

/** A leader must not act before it has seen the pods: it would create all of them again. */
async function untilSynced(synced: () => boolean, signal: AbortSignal): Promise<void> {
  while (!synced() && !signal.aborted) await pause(20, signal)
}
