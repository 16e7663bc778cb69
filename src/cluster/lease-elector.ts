import { type V1Lease, type V1LeaseSpec, V1MicroTime } from '@kubernetes/client-node'
import type { Logger } from 'pino'
import { pause } from '../timing/pause.ts'
import { hasStatus, unlessMissing } from './kube-api-error.ts'
import type { KubeClients } from './kube-clients.ts'

/**
 * Leader election on a coordination.k8s.io Lease, by client-go's algorithm: a record counts as alive for its duration
 * from when *we* saw it change, on our own monotonic clock. Times of other machines are never compared. An election does
 * not fence: what a leader does must be safe when two do it.
 */
export interface LeaseElector {
  start(): void
  /** Ends the leadership, waits for its work to settle, and frees the lease for the next. */
  stop(): Promise<void>
  /** False as soon as the renew deadline has passed, even if no timer could run. */
  leading(): boolean
  /** Holder of the lease as last seen. */
  holder(): string | undefined
}

interface LeaseTiming {
  /** Others may take over when the record has not changed for this long. Whole seconds on the wire, rounded up. */
  readonly leaseMs: number
  /** The leader gives up when it could not renew for this long; the difference to leaseMs is the safety margin. */
  readonly renewDeadlineMs: number
  readonly retryMs: number
}

/** client-go's defaults, as used by Kubernetes' own controllers. */
const defaultTiming: LeaseTiming = { leaseMs: 15_000, renewDeadlineMs: 10_000, retryMs: 2_000 }

/** Candidates wait up to this much longer (client-go's factor), so that their retries do not meet. */
const retryJitter = 1.2

interface LeaseElectorOptions {
  readonly clients: {
    readonly coordination: Pick<
      KubeClients['coordination'],
      'readNamespacedLease' | 'createNamespacedLease' | 'replaceNamespacedLease'
    >
  }
  readonly namespace: string
  readonly name: string
  /** Unique per process, also after a restart. */
  readonly identity: string
  /**
   * Runs while leading; the signal aborts when leadership is lost. We do not stand for election again before the
   * returned promise settles, so one process never leads twice at a time. If it throws, we give up the leadership.
   */
  readonly onLeading: (signal: AbortSignal) => void | Promise<void>
  readonly logger: Pick<Logger, 'info' | 'warn' | 'error'>
  readonly timing?: LeaseTiming
  /** Monotonic ms. */
  readonly monotonicNow?: () => number
}

export function createLeaseElector(options: LeaseElectorOptions): LeaseElector {
  const { identity, logger, timing = defaultTiming, monotonicNow = () => performance.now() } = options
  const stopping = new AbortController()
  const record = createLeaseRecord(options, timing, monotonicNow)
  let running: Promise<void> | undefined
  /** Monotonic time until which we may believe that we lead. */
  let leadingUntil = 0

  const leading = (): boolean => monotonicNow() < leadingUntil

  /** True if the lease is ours, counted from before the request was sent. A call that hangs fails after `withinMs`. */
  const acquireOrRenew = async (withinMs: number): Promise<boolean> => {
    const startedAt = monotonicNow()
    try {
      const held = await withDeadline(record.acquireOrRenew(), withinMs)
      // After the deadline others may lead already: an answer so late gives us nothing.
      if (!held || monotonicNow() - startedAt >= timing.renewDeadlineMs) return false
      leadingUntil = startedAt + timing.renewDeadlineMs
      return true
    } catch (error) {
      record.forget()
      const reason = error instanceof Error ? error.message : String(error)
      logger.warn({ identity, reason }, 'the lease could not be acquired or renewed')
      return false
    }
  }

  const renewWhileHeld = async (ended: AbortSignal): Promise<void> => {
    while (!ended.aborted) {
      await pause(timing.retryMs, ended)
      if (ended.aborted || !leading()) return
      await acquireOrRenew(Math.max(1, leadingUntil - monotonicNow()))
      if (!leading() || record.holder() !== identity) return
    }
  }

  const lead = async (): Promise<void> => {
    const leadership = new AbortController()
    logger.info({ identity }, 'leading')
    let failed = false
    const work = settled(
      () => options.onLeading(leadership.signal),
      (error) => {
        logger.error({ err: error, identity }, 'the work of the leader failed')
        failed = true
        leadership.abort(error)
      },
    )
    await renewWhileHeld(AbortSignal.any([stopping.signal, leadership.signal]))
    leadingUntil = 0
    leadership.abort(new Error(stopping.signal.aborted ? 'stopping' : 'leadership lost'))
    logger.info({ identity, holder: record.holder() }, 'not leading any more')
    await work
    // Its work failed here; another process may do it.
    if (failed) await release()
  }

  const release = async (): Promise<void> => {
    try {
      await withDeadline(record.release(), timing.renewDeadlineMs)
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      logger.warn({ identity, reason }, 'the lease could not be released; it will lapse')
    }
  }

  const run = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      if (await acquireOrRenew(timing.renewDeadlineMs)) await lead()
      const waitMs = timing.retryMs * (1 + Math.random() * retryJitter)
      await pause(waitMs, stopping.signal)
    }
    await release()
  }

  return {
    start() {
      running ??= run()
    },
    async stop() {
      stopping.abort()
      await running
    },
    leading,
    holder: () => record.holder(),
  }
}

interface LeaseRecord {
  acquireOrRenew(): Promise<boolean>
  /** Gives the lease back if it is ours. */
  release(): Promise<void>
  /** What is there may differ from what we wrote last: the next write reads first. */
  forget(): void
  holder(): string | undefined
}

function createLeaseRecord(
  { clients: { coordination }, namespace, name, identity }: LeaseElectorOptions,
  timing: LeaseTiming,
  monotonicNow: () => number,
): LeaseRecord {
  let seen: V1Lease | undefined
  let seenAt = 0
  let fresh = false

  const observe = (lease: V1Lease): void => {
    if (lease.metadata?.resourceVersion !== seen?.metadata?.resourceVersion) seenAt = monotonicNow()
    seen = lease
    fresh = true
  }

  const read = (): Promise<V1Lease | undefined> =>
    unlessMissing(coordination.readNamespacedLease({ namespace, name }))

  const heldByOther = (lease: V1Lease): boolean => {
    const { holderIdentity, leaseDurationSeconds } = lease.spec ?? {}
    if (!holderIdentity || holderIdentity === identity) return false
    const aliveMs = leaseDurationSeconds ? leaseDurationSeconds * 1000 : timing.leaseMs
    return monotonicNow() < seenAt + aliveMs
  }

  const create = async (): Promise<boolean> => {
    const body = { metadata: { name, namespace }, spec: claimSpec(undefined) }
    observe(await coordination.createNamespacedLease({ namespace, body }))
    return true
  }

  const claimSpec = (before: V1LeaseSpec | undefined): V1LeaseSpec => {
    const renewal = before?.holderIdentity === identity
    const now = new V1MicroTime()
    return {
      holderIdentity: identity,
      leaseDurationSeconds: Math.ceil(timing.leaseMs / 1000),
      renewTime: now,
      acquireTime: (renewal && before?.acquireTime) || now,
      leaseTransitions: (before?.leaseTransitions ?? 0) + (renewal || !before ? 0 : 1),
    }
  }

  /** Compare-and-set on resourceVersion; false if somebody else wrote. */
  const write = async (lease: V1Lease, spec: V1LeaseSpec): Promise<boolean> => {
    try {
      observe(
        await coordination.replaceNamespacedLease({
          namespace,
          name,
          // The whole metadata: labels that somebody put on the lease stay.
          body: { metadata: Object.assign({}, lease.metadata), spec },
        }),
      )
      return true
    } catch (error) {
      fresh = false
      if (hasStatus(error, 409, 404)) return false
      throw error
    }
  }

  return {
    async acquireOrRenew() {
      const ours = fresh && seen?.spec?.holderIdentity === identity
      const lease = ours ? seen : await read()
      try {
        if (lease === undefined) return await create()
      } catch (error) {
        if (hasStatus(error, 409)) return false
        throw error
      }
      if (!ours) observe(lease)
      if (heldByOther(lease)) return false
      return await write(lease, claimSpec(lease.spec))
    },
    async release() {
      const lease = await read()
      if (lease?.spec?.holderIdentity !== identity) return
      // As client-go does: no holder and the shortest duration that the API allows.
      const freed = { holderIdentity: '', leaseDurationSeconds: 1, renewTime: new V1MicroTime() }
      await write(lease, Object.assign({}, lease.spec, freed))
    },
    forget() {
      fresh = false
    },
    holder: () => seen?.spec?.holderIdentity || undefined,
  }
}

/** Rejects when the call takes too long; a late outcome is ignored. */
async function withDeadline<T>(call: Promise<T>, withinMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const deadline = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${Math.round(withinMs)} ms`)), withinMs)
  })
  try {
    return await Promise.race([call, deadline])
  } finally {
    clearTimeout(timer)
  }
}

async function settled(work: () => void | Promise<void>, onError: (error: unknown) => void): Promise<void> {
  try {
    await work()
  } catch (error) {
    onError(error)
  }
}
