import type { PodWriter } from '../domain/cluster-ports.ts'
import { allowanceAt, type CreateAllowance, nextAllowedMs, spent } from '../domain/create-allowance.ts'
import { withoutSecrets } from '../domain/plain-message.ts'
import { PodWriteError } from '../domain/pod-write-error.ts'
import type { PoolSpec } from '../domain/pool.ts'
import type { PoolExpectations } from '../domain/pool-expectations.ts'
import { templateHash } from '../domain/slot-pod.ts'
import type { Logger } from '../logging.ts'
import type { Metrics } from '../metrics.ts'
import type { PoolFailures } from './pool-failures.ts'
import type { PoolPods } from './pool-pods.ts'
import type { PoolTargets } from './pool-targets.ts'
import type { StartCause } from './start-causes.ts'

interface PoolCreatesDeps {
  readonly writer: Pick<PodWriter, 'create' | 'list'>
  readonly poolPods: Pick<PoolPods, 'created' | 'note'>
  readonly targets: Pick<PoolTargets, 'noteCause'>
  readonly report: (agentType: string, reason: string, message: string) => void
  readonly metrics: Metrics
  readonly logger: Logger
  /** Epoch ms. */
  readonly now: () => number
}

/** What creates leave behind: places that are held, and refusals. */
export interface PoolRecord {
  readonly agentType: string
  readonly expectations: PoolExpectations
  readonly failures: PoolFailures
  /** What `refill.perSecond` leaves; kept while this process leads. */
  allowance: CreateAllowance | undefined
}

interface Wanted {
  readonly spec: PoolSpec
  readonly count: number
  /** Of these pods so many are made from another template, first of all. */
  readonly canary?: { readonly spec: PoolSpec; readonly count: number } | undefined
  /** An open waits for a pod of this pool. */
  readonly isWaitedFor: boolean
}

/** Makes the pods that a plan asks for, and notes what became of each. */
export function createPoolCreates(deps: PoolCreatesDeps) {
  const { writer, poolPods, targets, report, metrics, logger, now } = deps

  async function createPod(
    { agentType, expectations }: PoolRecord,
    spec: PoolSpec,
    why: StartCause,
  ): Promise<PodWriteError | string> {
    const ticket = expectations.createSent(now())
    try {
      const { uid, specDigest } = await writer.create(agentType, spec)
      poolPods.created({ podUid: uid, agentType, templateHash: templateHash(agentType, spec), specDigest })
      expectations.createAnswered(ticket, uid, now())
      targets.noteCause(uid, why)
      metrics.podsCreated.inc({ agent_type: agentType, result: 'created' })
      return uid
    } catch (error) {
      if (!(error instanceof PodWriteError)) throw error
      metrics.podsCreated.inc({ agent_type: agentType, result: error.reason })
      // Without an answer the pod may exist all the same, so the create stays expected until it shows or a list tells.
      if (error.answered) expectations.createFailed(ticket)
      else expectations.createUnanswered(ticket, now())
      return error
    }
  }

  return {
    /** How many pods the rate of the pool allows now; undefined without a rate. */
    allowance(
      record: PoolRecord,
      spec: PoolSpec | undefined,
    ): { readonly pods: number; readonly nextMs: number } | undefined {
      const perSecond = spec?.refill.perSecond
      record.allowance = perSecond ? allowanceAt(record.allowance, { perSecond, now: now() }) : undefined
      if (!perSecond || !record.allowance) return undefined
      return { pods: record.allowance.pods, nextMs: nextAllowedMs(record.allowance, perSecond) }
    },

    /** Resolves with the UIDs of the canary pods that were made. */
    async make(record: PoolRecord, { spec, count, canary, isWaitedFor }: Wanted): Promise<readonly string[]> {
      if (count === 0) return []
      const { agentType, failures } = record
      record.allowance &&= spent(record.allowance, count)
      const canaries = Math.min(count, canary?.count ?? 0)
      const why = isWaitedFor ? 'waiting' : 'refill'
      const results = await Promise.all(
        Array.from({ length: count }, (_, index) =>
          canary && index < canaries
            ? createPod(record, canary.spec, 'canary')
            : createPod(record, spec, why),
        ),
      )
      await poolPods.note()
      const refused = results.filter((result) => result instanceof PodWriteError)
      const made = results.slice(0, canaries).filter((result) => typeof result === 'string')
      const isNews = failures.answered(refused, isWaitedFor)
      const [first] = refused
      if (!first) return made
      const { reason: cause, message } = first
      if (isNews) logger.error({ agentType, cause, err: first }, 'pod could not be created')
      const words = failures.stableMessage(withoutSecrets(message))
      report(agentType, 'PodCreateFailed', `${cause}: ${words}`)
      return made
    },

    /** After an outage a list tells which creates without an answer were done, so that their places do not stay held. */
    async resolveUnanswered(
      { agentType, expectations }: PoolRecord,
      shown: ReadonlySet<string>,
    ): Promise<void> {
      const askedAt = now()
      if (!expectations.hasUnanswered(askedAt)) return
      try {
        expectations.resolveUnanswered(await writer.list(agentType), shown, askedAt)
      } catch (error) {
        if (!(error instanceof PodWriteError)) throw error
        logger.debug({ agentType, err: error }, 'creates without an answer are not resolved yet')
      }
    },
  }
}
