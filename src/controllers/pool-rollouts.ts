import { isTooOld } from '../domain/idle-age.ts'
import type { PoolSpec } from '../domain/pool.ts'
import type { ObservedPool, SlotView } from '../domain/pool-observation.ts'
import type { PoolRevisions } from '../domain/pool-ports.ts'
import { type PoolProblem, poolProblem } from '../domain/pool-problem.ts'
import { type PoolRevision, revisionOf, shapeOf } from '../domain/pool-revision.ts'
import { judgeCanary, type Rollout, rolloutOf } from '../domain/rollout-phases.ts'
import { templateHash } from '../domain/slot-pod.ts'
import type { Logger } from '../logging.ts'

interface PoolRolloutsDeps {
  readonly revisions: PoolRevisions
  /** Digest of the policy's row in force; undefined while none is known. */
  readonly policyDigest: (agentType: string) => string | undefined
  /** The newest public key for assignments; undefined while none is known. */
  readonly assignKeyId: () => string | undefined
  /** Makes an Event for people. */
  readonly report: (agentType: string, reason: string, message: string) => void
  readonly logger: Logger
  /** Epoch ms. */
  readonly now: () => number
}

/** What one look at a pool goes by. */
export interface RolloutLook extends Rollout {
  /** The pool with what its pods are made from, except canary pods: those are made from the document. */
  readonly spec: PoolSpec
  /** The pool as the document has it. */
  readonly document: PoolSpec
}

/** What a canary adds to a look. */
export interface CanaryLook {
  /** Idle pods beside those that are wanted. */
  readonly extra: number
  /** How many of the pods to be made are canary pods, at most. */
  readonly missing: number
  /** Given when the phase is over: the pool is to be looked at again. */
  readonly againMs: number | undefined
}

interface Memory {
  kept: Awaited<ReturnType<PoolRevisions['read']>> | undefined
  readAt: number
  /** Canary pods that the informer does not show yet, with the time of their create. */
  readonly sent: Map<string, number>
}

/** Orders by the API are obeyed within this time and a resync. Claims come many times a second and need no new read. */
const readEveryMs = 1_000
/** As long as an expectation lasts that no list confirms. */
const unseenMs = 60_000
const noCanary: CanaryLook = { extra: 0, missing: 0, againMs: undefined }

/** Notes what the pods of each pool are made from, and how far a roll-out is. It decides nothing: `domain/rollout-phases.ts` does. */
export function createPoolRollouts(deps: PoolRolloutsDeps) {
  const { revisions, logger, now } = deps
  const memories = new Map<string, Memory>()

  function memoryOf(agentType: string): Memory {
    const known = memories.get(agentType)
    if (known) return known
    const memory: Memory = { kept: undefined, readAt: 0, sent: new Map() }
    memories.set(agentType, memory)
    return memory
  }

  async function read(agentType: string): Promise<NonNullable<Memory['kept']>> {
    const memory = memoryOf(agentType)
    if (!memory.kept || now() - memory.readAt >= readEveryMs || now() < memory.readAt) {
      memory.kept = await revisions.read(agentType)
      memory.readAt = now()
    }
    return memory.kept
  }

  async function judge(agentType: string, found: PoolRevision): Promise<void> {
    await revisions.judge(agentType, found.revision, found)
    memoryOf(agentType).kept = undefined
  }

  async function currentOf(agentType: string, spec: PoolSpec) {
    const kept = await read(agentType)
    // What is not known yet, as when a controller begins, counts as unchanged.
    const [before] = kept.revisions
    const policyDigest = deps.policyDigest(agentType) ?? before?.policyDigest
    const assignKeyId = deps.assignKeyId() ?? before?.assignKeyId
    const origins = { templateHash: templateHash(agentType, spec), policyDigest, assignKeyId }
    const revision = revisionOf(origins)
    if (kept.revisions[0]?.revision === revision) return { ...kept, current: kept.revisions[0] }
    await revisions.makeCurrent(agentType, { ...origins, revision, shape: shapeOf(spec) })
    memoryOf(agentType).kept = undefined
    const again = await read(agentType)
    const current = again.revisions.find((one) => one.revision === revision)
    if (!current) throw new Error(`revision ${revision} of ${agentType} was not kept`)
    if (kept.revisions.length > 0)
      logger.info({ agentType, revision, ...origins }, 'a new revision is rolled out')
    return { ...again, current }
  }

  return {
    async look(agentType: string, spec: PoolSpec): Promise<RolloutLook> {
      const facts = await currentOf(agentType, spec)
      const rollout = rolloutOf({ spec: spec.rollout, ...facts, now: now() })
      const { labels: _labels, annotations: _annotations, ...rest } = spec
      return {
        ...rollout,
        isDrifted: orTooOld(rollout, spec.maxIdleAge, now()),
        document: spec,
        spec: { ...rest, ...rollout.main.shape },
      }
    },

    /** Notes what the pods that are seen say about the revision. */
    async judge(
      agentType: string,
      rollout: RolloutLook | undefined,
      { slots }: ObservedPool,
    ): Promise<CanaryLook> {
      if (!rollout) return noCanary
      const { current, canary } = rollout
      const memory = memoryOf(agentType)
      for (const { podUid } of slots) memory.sent.delete(podUid)
      for (const [podUid, at] of memory.sent) if (now() - at > unseenMs) memory.sent.delete(podUid)
      if (!canary) {
        const isNews = rollout.phase === 'rolling' && current.verdict === 'trial' && slots.some(isProof)
        if (isNews) await judge(agentType, { ...current, verdict: 'good' })
        return noCanary
      }
      const { made, passed, ...found } = judgeCanary(rollout, slots, now())
      if (found.verdict === 'trial' && found.served.length === current.served.length)
        return {
          extra: canary.pods,
          missing: Math.max(0, canary.pods - made - memory.sent.size),
          againMs: undefined,
        }
      await judge(agentType, { ...current, ...found })
      if (found.verdict === 'failed') {
        logger.error({ agentType, revision: current.revision, reason: found.reason }, 'a canary failed')
        deps.report(agentType, 'CanaryFailed', `the roll-out stops: ${found.reason}`)
      }
      if (found.verdict === 'good')
        logger.info({ agentType, revision: current.revision, passed }, 'the canary passed')
      return { extra: canary.pods, missing: 0, againMs: 1 }
    },

    /** Canary pods that were made just now. */
    sent(agentType: string, podUids: readonly string[]): void {
      for (const podUid of podUids) memoryOf(agentType).sent.set(podUid, now())
    },

    /** Told while nothing worse is to be told. */
    problem({ phase, current }: RolloutLook): PoolProblem | undefined {
      if (phase !== 'stopped') return undefined
      const message = current.reason ?? 'a canary pod failed'
      const [since, lastAt] = [current.currentSince, now()]
      return poolProblem({ cause: 'canary', message, count: 1, since, lastAt, nextTryAt: undefined })
    },

    async forget(agentType: string): Promise<void> {
      memories.delete(agentType)
      await revisions.forget(agentType)
    },
  }
}

export type PoolRollouts = ReturnType<typeof createPoolRollouts>

/** Idle pods that are too old are replaced like drifted ones: step by step, and another one first. */
function orTooOld(
  { phase, isDrifted }: Rollout,
  maxIdleAge: number | undefined,
  at: number,
): Rollout['isDrifted'] {
  // Whatever is not drifted is a canary pod then.
  if (maxIdleAge === undefined || phase === 'canary') return isDrifted
  const rules = { maxIdleAgeMs: maxIdleAge * 1_000, now: at }
  return (pod, madeFrom) => isDrifted(pod, madeFrom) || isTooOld(pod, rules)
}

/** A pod that shows that the revision works. */
function isProof({ drifted, origin, state, readySince }: SlotView): boolean {
  return (
    !drifted && origin === 'ours' && (state === 'claimed' || (state === 'ready' && readySince !== undefined))
  )
}
