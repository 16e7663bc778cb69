import type { V1Pod } from '@kubernetes/client-node'
import type { AgentPod } from '../domain/agent-pod.ts'
import type { DocumentView } from '../domain/cluster-ports.ts'
import { isShapedBy } from '../domain/pod-shape.ts'
import type { PoolsDocument } from '../domain/pool.ts'
import type { SlotView } from '../domain/pool-observation.ts'
import { type PoolPod, podOrigin, type SeenOrigin, unnotedGraceMs } from '../domain/pool-pod.ts'
import type { PoolPodLedger } from '../domain/pool-ports.ts'
import type { ClaimLedger } from '../domain/session-ports.ts'
import { templateHash } from '../domain/slot-pod.ts'
import type { ErrorCode } from '../errors.ts'
import type { Logger } from '../logging.ts'
import type { Metrics } from '../metrics.ts'

/** A pod as the informer would show it, and the whole object. */
export interface ListedPod {
  readonly pod: AgentPod
  readonly object: V1Pod
}

interface PoolPodsDeps {
  readonly poolPods: PoolPodLedger
  readonly ledger: Pick<ClaimLedger, 'claimsOf'>
  readonly pools: Pick<DocumentView<PoolsDocument>, 'current'>
  /** The pods of all pools by a fresh read. */
  readonly listPods: () => Promise<readonly ListedPod[]>
  /** Is told of each create as it is answered. */
  readonly onCreated: (pod: Pick<PoolPod, 'podUid' | 'agentType'>) => void
  /** Makes an Event for people. */
  readonly report: (agentType: string, reason: string, message: string) => void
  readonly metrics: Metrics
  readonly logger: Logger
  /** Epoch ms. */
  readonly now: () => number
}

/** What is known of one pool's pods. Everything else is in PostgreSQL. */
interface PoolMemory {
  /** Notes that were read. A note never changes, so each is read once. */
  readonly noted: Map<string, PoolPod>
  /** Since when this process sees a pod without a note. */
  readonly unnotedSince: Map<string, number>
  /** Pods that people were told of. */
  readonly told: Set<string>
}

export interface PodOrigins {
  readonly byUid: ReadonlyMap<string, SeenOrigin>
  /** When an unconfirmed pod becomes foreign, although nothing changes; undefined without such a pod. */
  readonly againMs: number | undefined
}

/** Labels are easily forged, so a log line, an Event and a metric tell of every pod that has them without right. */
const faults = {
  foreign: {
    code: 'GRN_POOL_POD_FOREIGN',
    reason: 'ForeignPoolPod',
    message:
      'A pod has the labels of this pool, but the controller has not noted that it created it. The pod is deleted.',
  },
  changed: {
    code: 'GRN_POOL_POD_CHANGED',
    reason: 'PoolPodChanged',
    message: 'Somebody changed the specification of an idle pod of this pool. The pod is replaced.',
  },
} as const satisfies Record<string, { code: ErrorCode; reason: string; message: string }>

/**
 * Which pods are the controller's own. It notes the UID of each pod in PostgreSQL, from the answer to its own create,
 * and a session can claim no other pod. A pod is offered only when its note is written and when what runs in it is what
 * was made. The note is level-triggered: one that could not be written is written at the next look. If the process dies
 * in between, its successor finds a pod without a note and replaces it, so a crash costs one pod at most for each create
 * that was under way.
 */
export function createPoolPods(deps: PoolPodsDeps) {
  const { poolPods, ledger, pools, metrics, logger, now } = deps
  const memories = new Map<string, PoolMemory>()
  /** Created by this process and not noted yet. */
  const unwritten = new Map<string, PoolPod>()
  let adoption: Promise<void> | undefined

  function memoryOf(agentType: string): PoolMemory {
    const known = memories.get(agentType)
    if (known) return known
    const memory: PoolMemory = { noted: new Map(), unnotedSince: new Map(), told: new Set() }
    memories.set(agentType, memory)
    return memory
  }

  async function writeNotes(): Promise<void> {
    const written = [...unwritten.values()]
    if (written.length === 0) return
    await poolPods.note(written)
    for (const { podUid } of written) unwritten.delete(podUid)
  }

  /** Once after an upgrade: notes the pods that a version without notes made. Afterwards only noted pods can be claimed. */
  async function adoptOlder(): Promise<void> {
    if (await poolPods.isComplete()) return
    const specs = pools.current()?.pools ?? {}
    const listed = await deps.listPods()
    const claims = await ledger.claimsOf(listed.map(({ pod }) => pod.uid))
    const isOurs = ({ pod, object }: ListedPod): boolean => {
      if (claims.get(pod.uid)?.purpose === 'session') return true
      const spec = Object.hasOwn(specs, pod.agentType) ? specs[pod.agentType] : undefined
      if (!spec || pod.templateHash !== templateHash(pod.agentType, spec)) return false
      return isShapedBy(object, spec)
    }
    const ours = listed.filter(isOurs).map(({ pod }) => pod)
    await poolPods.adopt(
      // Only a pod whose template is in force comes this far without a session.
      ours.map(({ uid, agentType, templateHash: hash = '', specDigest = '' }) => ({
        podUid: uid,
        agentType,
        templateHash: hash,
        specDigest,
      })),
    )
    logger.info(
      { adopted: ours.length, of: listed.length },
      'pods of an older version are noted as pool pods',
    )
  }

  function forgetAllBut(memory: PoolMemory, present: ReadonlySet<string>): void {
    for (const kept of [memory.noted, memory.unnotedSince, memory.told])
      for (const podUid of kept.keys()) if (!present.has(podUid)) kept.delete(podUid)
  }

  function judge(pod: AgentPod, memory: PoolMemory): SeenOrigin {
    const noted = memory.noted.get(pod.uid)
    if (noted) memory.unnotedSince.delete(pod.uid)
    const since = memory.unnotedSince.get(pod.uid) ?? now()
    if (!noted) memory.unnotedSince.set(pod.uid, since)
    const origin = podOrigin(pod, {
      noted,
      createdHere: unwritten.has(pod.uid),
      unnotedForMs: now() - since,
    })
    return { origin, templateHash: noted?.templateHash }
  }

  return {
    /** What a create was answered. It is noted by the next `note`. */
    created(pod: PoolPod): void {
      unwritten.set(pod.podUid, pod)
      deps.onCreated(pod)
    },

    /** Notes what was created. Throws when PostgreSQL does not answer; the pods stay unconfirmed until it does. */
    note: writeNotes,

    /** Where the pods of one pool come from. Throws when PostgreSQL does not answer: then nothing is judged. */
    async originsOf(agentType: string, seen: readonly AgentPod[]): Promise<PodOrigins> {
      adoption ??= adoptOlder().catch((error: unknown) => {
        adoption = undefined
        throw error
      })
      await adoption
      await writeNotes()
      const memory = memoryOf(agentType)
      const present = new Set(seen.map(({ uid }) => uid))
      forgetAllBut(memory, present)
      const unread = [...present].filter((podUid) => !memory.noted.has(podUid))
      for (const note of await poolPods.noted(unread)) memory.noted.set(note.podUid, note)
      const byUid = new Map(seen.map((pod) => [pod.uid, judge(pod, memory)]))
      const waits = [...memory.unnotedSince.values()]
        .map((since) => since + unnotedGraceMs - now())
        .filter((ms) => ms > 0)
      return { byUid, againMs: waits.length > 0 ? Math.min(...waits) : undefined }
    },

    /** Tells people, once for each pod, of unclaimed pods that are retired for their origin. */
    tell(agentType: string, slots: readonly SlotView[]): void {
      const { told } = memoryOf(agentType)
      for (const { podUid, name, origin, claim, forgotten } of slots) {
        if (claim || forgotten || (origin !== 'foreign' && origin !== 'changed') || told.has(podUid)) continue
        told.add(podUid)
        const { code, reason, message } = faults[origin]
        logger.error({ code, agentType, pod: name, podUid }, message)
        metrics.foreignPods.inc({ agent_type: agentType, cause: origin })
        deps.report(agentType, reason, message)
      }
    },

    /** The pool no longer exists. */
    forget: (agentType: string): void => void memories.delete(agentType),
  }
}

export type PoolPods = ReturnType<typeof createPoolPods>
