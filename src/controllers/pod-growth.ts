import { amountsOfRow, effectiveRow, type WantedResources } from '../admission/policy/effective-row.ts'
import type { PolicyDocument } from '../admission/policy/policy-document.ts'
import type { AgentPod } from '../domain/agent-pod.ts'
import type { DocumentView, PodView, PodWriter } from '../domain/cluster-ports.ts'
import { PodWriteError } from '../domain/pod-write-error.ts'
import type { SlotView } from '../domain/pool-observation.ts'
import { isThinner, type ThinReport, type ThinState, thinStateOf } from '../domain/thin-pods.ts'
import type { Logger } from '../logging.ts'
import type { Metrics } from '../metrics.ts'
import { createExpiringMemory } from '../timing/expiring-memory.ts'
import type { RecentWrites } from './recent-writes.ts'

interface PodGrowthDeps {
  readonly policy: Pick<DocumentView<PolicyDocument>, 'current'>
  readonly pods: Pick<PodView, 'get' | 'byPool' | 'onChange'>
  readonly writer: Pick<PodWriter, 'resize'>
  readonly recentWrites: RecentWrites
  /** Makes an Event for people. */
  readonly report: (agentType: string, reason: string, message: string) => void
  readonly metrics: Metrics
  readonly logger: Logger
  /** Epoch ms. */
  readonly now: () => number
}

/** A full quota or an API server that cannot resize does not change within a second. */
const refusedForMs = 10_000

/**
 * Raises the requests of thin pods that a session has claimed, level-triggered from `pod_claims` and the pods. What the
 * kubelet cannot do is counted and told, and the idle pods of that node are handed out last.
 */
export function createPodGrowth(deps: PodGrowthDeps) {
  const { policy, pods, writer, recentWrites, report, metrics, logger, now } = deps
  const refused = createExpiringMemory<string, true>({ keptMs: refusedForMs, now })
  /** What was counted last of each pod that was asked to grow. */
  const counted = new Map<string, ThinState>()
  /** Node of each pod that its node could not resize. Kept as events come: to look at all pods for each pool would cost too much. */
  const stuckOn = new Map<string, string>()
  pods.onChange(({ pod, gone }) => {
    if (!gone && isStuck(pod) && pod.nodeName !== undefined) stuckOn.set(pod.uid, pod.nodeName)
    else stuckOn.delete(pod.uid)
  })

  function rowOf(agentType: string) {
    const document = policy.current()
    return document && effectiveRow(agentType, document)
  }

  function count(agentType: string, outcome: string): void {
    metrics.podResizes.inc({ agent_type: agentType, outcome })
  }

  async function ask(pod: AgentPod, wanted: WantedResources): Promise<void> {
    const requests = Object.fromEntries(
      wanted
        .filter(({ name }) => name === 'cpu' || name === 'memory')
        .map(({ name, request }) => [name, request]),
    )
    try {
      await recentWrites.once(`resize ${pod.uid}`, async () => {
        if (await writer.resize(pod, requests)) count(pod.agentType, 'asked')
      })
    } catch (error) {
      if (!(error instanceof PodWriteError)) throw error
      refused.set(pod.uid, true)
      count(pod.agentType, 'refused')
      logger.warn(
        { pod: pod.name, err: error },
        'a claimed pod could not be resized; its session goes on with fewer requests',
      )
      report(
        pod.agentType,
        'PodResizeRefused',
        `the API server refuses to resize claimed pods: ${error.reason}`,
      )
    }
  }

  function follow(pod: AgentPod, state: ThinState): void {
    const before = counted.get(pod.uid)
    if (before === state) return
    counted.set(pod.uid, state)
    // One that is full when it is seen first was counted by another leader.
    if (state === 'thin' || state === 'growing' || (state === 'full' && before === undefined)) return
    count(pod.agentType, state)
    if (state === 'full') return
    const message = pod.resize?.message
    logger.warn({ pod: pod.name, node: pod.nodeName, state, message }, 'a node cannot resize a claimed pod')
    report(pod.agentType, 'PodResizePending', `the resize of a claimed pod is ${state}: ${message}`)
  }

  return {
    async grow(agentType: string, slots: readonly SlotView[]): Promise<void> {
      const row = rowOf(agentType)
      if (!row) return
      const full = amountsOfRow(row.resources)
      const claimed = slots.flatMap(({ podUid, state }) =>
        state === 'claimed' ? (pods.get(podUid) ?? []) : [],
      )
      for (const pod of claimed) if (row.idle || counted.has(pod.uid)) follow(pod, thinStateOf(pod, full))
      await Promise.all(
        claimed
          .filter((pod) => isThinner(pod, full) && !refused.has(pod.uid))
          .map((pod) => ask(pod, row.resources)),
      )
      for (const podUid of counted.keys()) if (!pods.get(podUid)) counted.delete(podUid)
    },

    /** Idle pods on nodes that could not resize a pod which is still there: a session there would stay thin. */
    onCrowdedNodes(agentType: string): ReadonlySet<string> {
      if (stuckOn.size === 0) return new Set()
      const nodes = new Set(stuckOn.values())
      const there = pods
        .byPool(agentType)
        .filter(({ nodeName }) => nodeName !== undefined && nodes.has(nodeName))
      return new Set(there.map(({ uid }) => uid))
    },

    /** undefined for a pool whose row is not `thin`. */
    report(agentType: string): ThinReport | undefined {
      const row = rowOf(agentType)
      if (!row?.idle) return undefined
      const full = amountsOfRow(row.resources)
      const counts: ThinReport = { thin: 0, growing: 0, full: 0, deferred: 0, infeasible: 0 }
      for (const pod of pods.byPool(agentType)) counts[thinStateOf(pod, full)] += 1
      return counts
    },
  }
}

export type PodGrowth = ReturnType<typeof createPodGrowth>

function isStuck({ resize }: AgentPod): boolean {
  return resize !== undefined && resize.state !== 'in-progress'
}
