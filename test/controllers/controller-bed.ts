import type { Test } from 'tap'
import type { PolicyDocument } from '../../src/admission/policy/policy-document.ts'
import { createAgentRemovals } from '../../src/controllers/agent-removals.ts'
import { createForgottenSessions } from '../../src/controllers/forgotten-sessions.ts'
import { createIndexSync } from '../../src/controllers/index-sync.ts'
import { createPendingGrace } from '../../src/controllers/pending-grace.ts'
import { createPodDeaths } from '../../src/controllers/pod-deaths.ts'
import { createPodGrowth } from '../../src/controllers/pod-growth.ts'
import { createPoolEvents } from '../../src/controllers/pool-events.ts'
import { createPoolPods } from '../../src/controllers/pool-pods.ts'
import { createPoolReconciler } from '../../src/controllers/pool-reconciler.ts'
import { createPoolRollouts } from '../../src/controllers/pool-rollouts.ts'
import { createPoolRoom } from '../../src/controllers/pool-room.ts'
import { createPoolTargets } from '../../src/controllers/pool-targets.ts'
import { createPoolTrial } from '../../src/controllers/pool-trial.ts'
import { createQuotaShares } from '../../src/controllers/quota-shares.ts'
import { createRecentWrites } from '../../src/controllers/recent-writes.ts'
import { createReliefs } from '../../src/controllers/relief.ts'
import { createSessionReconciler } from '../../src/controllers/session-reconciler.ts'
import { createVanishedPods } from '../../src/controllers/vanished-pods.ts'
import type { AgentPod } from '../../src/domain/agent-pod.ts'
import type { EndOrder } from '../../src/domain/assignment.ts'
import type { DocumentView } from '../../src/domain/cluster-ports.ts'
import type { PlatformEvent } from '../../src/domain/event.ts'
import type { PoolNotice, SlotIndex, Wake } from '../../src/domain/index-ports.ts'
import { noResources } from '../../src/domain/pod-resources.ts'
import { checkPools, type PoolsDocument } from '../../src/domain/pool.ts'
import type { PoolSizingReport } from '../../src/domain/pool-sizing-report.ts'
import type { Quota } from '../../src/domain/quota.ts'
import type { ClaimLedger } from '../../src/domain/session-ports.ts'
import type { DemandCounts } from '../../src/domain/sizing-ports.ts'
import type { PendingPod } from '../../src/domain/yield-pods.ts'
import { createMetrics } from '../../src/metrics.ts'
import { createPostgresClaimLedger } from '../../src/stores/postgres-claim-ledger.ts'
import { createPostgresPoolPods } from '../../src/stores/postgres-pool-pods.ts'
import { createPostgresPoolRevisions } from '../../src/stores/postgres-pool-revisions.ts'
import { createPostgresPoolSizing } from '../../src/stores/postgres-pool-sizing.ts'
import { createPostgresProjectLimits } from '../../src/stores/postgres-project-limits.ts'
import { createPostgresSessionStore } from '../../src/stores/postgres-session-store.ts'
import { newId, newRecord } from '../stores/open-records.ts'
import { type Database, postgresFor } from '../stores/store-servers.ts'
import { keptLog } from '../support/kept-log.ts'
import { notePods } from '../support/noted-pods.ts'
import { unasked } from '../support/nothing-unsettled.ts'
import { createFakePods } from './fake-pods.ts'

/** Reconcilers over a real database and index, with pods in memory and a clock that the test moves. */

export const agentType = 'echo-agent'

export function poolsOf(settings: Record<string, unknown>, type = agentType): PoolsDocument {
  const checked = checkPools(
    JSON.stringify({ pools: { [type]: { template: { image: 'echo' }, ...settings } } }),
  )
  if (!checked.ok) throw new Error(checked.problems.join('; '))
  return checked.value
}

interface BedOptions {
  readonly database: Database
  readonly url?: string
  readonly index: SlotIndex
  readonly pools?: PoolsDocument
}

export async function controllerBed(t: Test, options: BedOptions) {
  const postgres = await postgresFor(t, options.database, options.url ? { url: options.url } : {})
  const ledger = createPostgresClaimLedger(postgres)
  const sessions = createPostgresSessionStore(postgres)
  const { logger, lines } = keptLog()
  let time = Date.now()
  const now = () => time
  const pods = createFakePods(now)
  await notePods(postgres, [])
  const metrics = createMetrics()
  const published: Wake[] = []
  const wakeListeners = new Set<(wake: Wake) => void>()
  const wakes = {
    publish(wake: Wake) {
      published.push(wake)
      for (const listener of wakeListeners) listener(wake)
    },
    subscribe(listener: (wake: Wake) => void) {
      wakeListeners.add(listener)
      return () => void wakeListeners.delete(listener)
    },
  }
  let document: PoolsDocument | undefined = options.pools ?? poolsOf({ min: 3, max: 10 })
  const documentListeners = new Set<(document: PoolsDocument) => void>()
  const pools: DocumentView<PoolsDocument> = {
    current: () => document,
    status: () => ({ seen: '1', applied: '1', problems: undefined }),
    onChange(listener) {
      documentListeners.add(listener)
      return () => void documentListeners.delete(listener)
    },
  }
  /** Without their sizing, which has a place of its own. */
  const notices = new Map<string, PoolNotice>()
  const toldEvents: PlatformEvent[] = []
  const sizings = new Map<string, PoolSizingReport | undefined>()
  const reports: string[] = []
  const waiting = { opens: 0 }
  const ended: string[] = []
  const told: EndOrder[] = []
  const recentWrites = createRecentWrites(now)
  const onEnding = (ids: readonly string[]) => {
    ended.push(...ids)
    for (const sessionId of ids) wakes.publish({ kind: 'ending', sessionId })
  }
  /** Who is asked to leave which room; the answer or the fault is the test's. */
  const removed: string[] = []
  const rooms = { answer: async (): Promise<boolean> => true }
  const removeParticipant = (room: string, identity: string) => {
    removed.push(`${room} ${identity}`)
    return rooms.answer()
  }
  const grace = createPendingGrace(now)
  const podDeaths = createPodDeaths({ ledger, writer: pods.writer, grace, onEnding, logger })
  pods.view.onChange((change) => podDeaths.note(change))
  const agentRemovals = createAgentRemovals({
    ledger,
    rooms: { removeParticipant },
    logger,
    monotonicMs: now,
  })
  const vanishedPods = createVanishedPods({
    ledger,
    pods: pods.view,
    writer: pods.writer,
    podDeaths,
    grace,
    onEnding,
    report: (reason, message) => void reports.push(`${reason}: ${message}`),
    metrics,
    logger,
    monotonicMs: now,
  })
  const forgottenSessions = createForgottenSessions({
    ledger,
    pods: pods.view,
    report: (reason, message) => void reports.push(`${reason}: ${message}`),
    metrics,
    logger,
    monotonicMs: now,
  })
  const indexSync = createIndexSync({ index: options.index, wakes, now })
  const report = (_type: string, reason: string, message: string) =>
    void reports.push(`${reason}: ${message}`)
  const poolPodLedger = createPostgresPoolPods(postgres)
  const poolPods = createPoolPods({
    poolPods: poolPodLedger,
    ledger,
    pools,
    listPods: () => pods.list(),
    onCreated: () => undefined,
    report,
    metrics,
    logger,
    now,
  })
  /** What Redis counted; the test adds to it. undefined: Redis is away. */
  const demand: { counts: DemandCounts | undefined } = { counts: { since: 1, arrivals: 0, misses: 0 } }
  const sizingLedger = createPostgresPoolSizing(postgres)
  let runs = 0
  const revisions = createPostgresPoolRevisions(postgres)
  const shapedBy: Partial<Record<'policyDigest' | 'assignKeyId', string>> = {}
  const poolTargets = createPoolTargets({
    feed: { read: async () => demand.counts },
    ledger: sizingLedger,
    report,
    metrics,
    logger,
    newRun: () => `run-${(runs += 1)}-${newId()}`,
    now,
  })
  const quotas: { current: readonly Quota[] } = { current: [] }
  const agentSize = { requests: { cpu: 10n ** 8n }, limits: { cpu: 10n ** 9n } }
  const sizeOf = () => ({
    size: agentSize,
    idleRequests: agentSize.requests,
    owed: noResources,
    priorityClassName: undefined,
  })
  const quotaShares = createQuotaShares({ quotas: () => quotas.current, sizeOf, report, metrics, now })
  const pending: { current: readonly PendingPod[] } = { current: [] }
  const poolRoom = createPoolRoom({ quotaShares, sizeOf, pending: () => pending.current, logger, now })
  const policy: { current: PolicyDocument | undefined } = { current: undefined }
  const poolReconciler = createPoolReconciler({
    poolRoom,
    podGrowth: createPodGrowth({
      policy: { current: () => policy.current },
      pods: pods.view,
      writer: pods.writer,
      recentWrites,
      report,
      metrics,
      logger,
      now,
    }),
    targets: poolTargets,
    rollouts: createPoolRollouts({
      revisions,
      policyDigest: () => shapedBy.policyDigest,
      assignKeyId: () => shapedBy.assignKeyId,
      report,
      logger,
      now,
    }),
    poolPods,
    pools,
    pods: pods.view,
    ledger,
    writer: pods.writer,
    indexSync,
    index: { waiting: async () => waiting.opens },
    recentWrites,
    poolEvents: createPoolEvents({ log: { note: async (event) => void toldEvents.push(event) }, logger }),
    notices: {
      async post(type, { sizing, ...notice }) {
        sizings.set(type, sizing)
        notices.set(type, notice)
      },
      read: async (type) => notices.get(type),
    },
    podDeaths,
    agentRemovals,
    nodeLostMs: 300_000,
    report,
    metrics,
    logger,
    now,
  })
  const reconsidered: number[] = []
  const poolTrial = createPoolTrial({
    pools,
    policy: { current: () => undefined },
    writer: pods.writer,
    tried: (type, error) => poolReconciler.tried(type, error),
    reportUntried: (message) => void reports.push(`untried: ${message}`),
    reportRow: (message) => void reports.push(`row: ${message}`),
    logger,
  })
  const sessionReconciler = createSessionReconciler({
    ledger,
    pods: pods.view,
    writer: pods.writer,
    delivery: {
      ...unasked,
      assign: () => Promise.reject(new Error('the controller assigns nothing')),
      async end(_pod, order) {
        told.push(order)
        return { kind: 'unreachable', reason: 'no agent here' }
      },
    },
    wakes,
    recentWrites,
    metrics,
    logger,
    monotonicMs: now,
  })
  return {
    postgres,
    ledger,
    sessions,
    pods,
    poolPodLedger,
    revisions,
    /** What the policy and the keys in force are. */
    shapedBy,
    /** Pods that this controller, or an earlier one, made and noted. */
    async putMade(...made: AgentPod[]): Promise<void> {
      for (const pod of made) pods.put(pod)
      for (const { uid, agentType: type, templateHash: madeFrom = 'of no template' } of made)
        await notePods(postgres, [uid], { agentType: type, madeFrom })
    },
    metrics,
    pools,
    wakes,
    published,
    notices,
    /** Events of pools, as followers are told. */
    toldEvents,
    sizings,
    /** ResourceQuotas of the namespace: an agent takes 100m of requests.cpu and 1 of limits.cpu. */
    quotas,
    /** The policy that pods are resized by. */
    policy,
    /** Pods of others that no node has room for. */
    pending,
    reports,
    waiting,
    ended,
    told,
    lines,
    logger,
    poolReconciler,
    poolTargets,
    sizingLedger,
    projectLimits: createPostgresProjectLimits(postgres),
    demand,
    sessionReconciler,
    podDeaths,
    vanishedPods,
    forgottenSessions,
    poolTrial,
    reliefs: createReliefs(),
    reconsiderPools: async () => void reconsidered.push(time),
    reconsidered,
    agentRemovals,
    rooms,
    removed,
    isHeard: () => true,
    indexSync,
    now,
    advance: (ms: number) => {
      time += ms
    },
    setPools(next: PoolsDocument | undefined): void {
      document = next
      if (next) for (const listener of documentListeners) listener(next)
    },
    listeners: () => pods.listeners() + wakeListeners.size + documentListeners.size,
    reconcile: (type = agentType) => poolReconciler.reconcile(type),
    /** Another process that leads now: it finds the pods and the rows, and remembers nothing. */
    async successor() {
      const next = await controllerBed(t, { ...options, url: postgres.url })
      for (const pod of pods.real.values()) next.pods.put(pod)
      next.pods.continueFrom(pods)
      return next
    },
    async claim(uid: string, status: 'PENDING' | 'ACTIVE' = 'ACTIVE'): Promise<string> {
      await notePods(postgres, [uid])
      return this.claimUnnoted(uid, status)
    },
    async claimUnnoted(uid: string, status: 'PENDING' | 'ACTIVE' = 'ACTIVE'): Promise<string> {
      const id = newId()
      const pod = {
        uid,
        name: `name-${uid}`,
        ip: '127.1.2.3',
      }
      const outcome = await sessions.commitOpen(
        newRecord({
          id,
          agentType,
          pod,
        }),
      )
      if (outcome.kind !== 'committed') throw new Error(outcome.kind)
      if (status === 'ACTIVE') await sessions.activate(id, 1)
      return id
    },
    async session(id: string) {
      const session = await (ledger as ClaimLedger).get(id)
      if (!session) throw new Error(`no session ${id}`)
      return session
    },
    async settle(type = agentType): Promise<void> {
      for (let writes = -1; writes !== pods.writes.length; ) {
        writes = pods.writes.length
        await poolReconciler.reconcile(type)
        pods.ready()
      }
      await poolReconciler.reconcile(type)
    },
  }
}

export type ControllerBed = Awaited<ReturnType<typeof controllerBed>>
