import type { AgentPod } from '../domain/agent-pod.ts'
import type { PodView } from '../domain/cluster-ports.ts'
import type { PodLifeLedger, PodLifeNote } from '../domain/pool-ports.ts'
import type { Logger } from '../logging.ts'
import type { Metrics } from '../metrics.ts'
import { every } from '../timing/every.ts'

interface PodLivesDeps {
  readonly lives: PodLifeLedger
  readonly pods: Pick<PodView, 'all' | 'synced'>
  /** Whether the informer has no contact to the API server at present. */
  readonly isStale: () => boolean
  readonly metrics: Metrics
  readonly logger: Logger
  /** Epoch ms. */
  readonly now: () => number
  readonly monotonicMs: () => number
}

/** What is not written yet of one pod. Times are of the monotonic clock, but for those of the API server. */
interface Facts {
  readonly agentType: string
  readonly createdAt: number
  readonly created?: number
  readonly ready?: number
  readonly deletingAt?: number
  readonly gone?: number
  readonly goneInexactMs?: number
}

/** What the informer showed last of a pod that exists. */
interface Shown {
  readonly isReady: boolean
  readonly deletingAt: number | undefined
}

type PodChange = Parameters<Parameters<PodView['onChange']>[0]>[0]

/** A report of running pods is at most this late in noticing one. */
const writeMs = 1_000
/** Whether the rows still are the pods is written this often: a crash makes ends of pods that much less exact. */
const lookedMs = 5_000
/** All pods are compared with all open rows: a few ms for thousands. */
const compareMs = 30_000
/** Rows of one statement. It takes milliseconds, so that no claim waits for it. */
const rowsAtOnce = 1_000
/** A pod that is shown this soon after its creationTimestamp, which has whole seconds, is shown as it is created. */
const freshMs = 1_500
/** A pod whose create was answered and that is not shown after this time is gone again, or was never kept. */
const unseenMs = 60_000
/** Of a follower, which writes nothing: as many as a large cluster changes while a leader is replaced. */
const mostFacts = 10_000

/**
 * Records when each pod of the pools exists (ADR 31). Every process notes the answers to its creates and the informer's
 * events with the time of its monotonic clock; the leader writes them once a second, away from every claim. A follower
 * keeps its notes, so that a change of leaders costs no exactness. The record is level-triggered: at the begin of a
 * leadership and every 30 s the open rows are compared with the pods that exist, and the row says how exact an end is.
 */
export function createPodLives(deps: PodLivesDeps) {
  const { lives, pods, isStale, metrics, logger, now, monotonicMs } = deps
  const shown = new Map<string, Shown>()
  /** Created here and not shown by the informer yet, and since when. */
  const unseen = new Map<string, number>()
  let pending = new Map<string, Facts>()
  /** When the informer's view was known to be true last. */
  let trueAt = monotonicMs()
  /** When this process first saw the pods. */
  let listedAt: number | undefined
  let compareAt = 0
  let lookedAt = 0

  function add(podUid: string, facts: Facts): void {
    pending.set(podUid, { ...pending.get(podUid), ...facts })
    const [oldest] = pending.keys()
    if (pending.size > mostFacts && oldest !== undefined) pending.delete(oldest)
  }

  /** When a pod that is shown for the first time was created; undefined for one that has existed for a while. */
  function creationOf({ createdAt }: AgentPod, at: number): number | undefined {
    const ageMs = now() - createdAt
    // The timestamp is cut to whole seconds, so the pod is less than a second younger than that.
    return ageMs >= 0 && ageMs < freshMs ? at - Math.max(0, ageMs - 999) : undefined
  }

  /** An event tells when a pod went. A list that lacks it only tells that it went since the view was true. */
  function endOf(
    { deletingSince }: AgentPod,
    at: number,
    absent: boolean,
  ): Pick<Facts, 'gone' | 'goneInexactMs'> {
    if (!absent) return { gone: at, goneInexactMs: 0 }
    const inexactMs = at - trueAt
    const sinceDueMs = deletingSince === undefined ? 0 : now() - deletingSince
    return { gone: sinceDueMs > 0 && sinceDueMs < inexactMs ? at - sinceDueMs : at, goneInexactMs: inexactMs }
  }

  function seen({ pod, gone, absent = false }: PodChange): void {
    const at = monotonicMs()
    listedAt ??= at
    const { uid, agentType, createdAt, readySince, deletingSince } = pod
    const before = shown.get(uid)
    const created = before ? undefined : earlier(pending.get(uid)?.created, creationOf(pod, at))
    const isReady = readySince !== undefined
    const news: Omit<Facts, 'agentType' | 'createdAt'> = {
      ...(created !== undefined && { created }),
      // What was Ready when it was shown first is read from the pod by the next comparison.
      ...(isReady && (before ? !before.isReady : created !== undefined) && { ready: at }),
      ...(deletingSince !== undefined &&
        deletingSince !== before?.deletingAt && { deletingAt: deletingSince }),
      ...(gone && endOf(pod, at, absent)),
    }
    if (Object.keys(news).length > 0) add(uid, { agentType, createdAt, ...news })
    if (!absent) trueAt = at
    unseen.delete(uid)
    if (gone) shown.delete(uid)
    else shown.set(uid, { isReady: isReady || (before?.isReady ?? false), deletingAt: deletingSince })
  }

  /** A create of this process was answered. */
  function created({ podUid, agentType }: { readonly podUid: string; readonly agentType: string }): void {
    const at = monotonicMs()
    const known = pending.get(podUid)
    // The event of a pod often comes before the answer to its create. Then it is the better time, and may be written.
    if (shown.has(podUid) && !known) return
    if (!shown.has(podUid)) unseen.set(podUid, at)
    const createdAt = known?.createdAt ?? now()
    add(podUid, { agentType, createdAt, created: earlier(known?.created, at) ?? at })
  }

  async function write(): Promise<void> {
    const batch = pending
    pending = new Map()
    const rest = [...batch]
    try {
      while (rest.length > 0) {
        const at = monotonicMs()
        await lives.note(rest.slice(0, rowsAtOnce).map(([podUid, facts]) => noteOf(podUid, facts, at)))
        rest.splice(0, rowsAtOnce)
      }
    } catch (error) {
      // What came meanwhile is newer.
      const newer = pending
      pending = new Map(rest)
      for (const [podUid, facts] of newer) add(podUid, facts)
      throw error
    }
  }

  async function compare(): Promise<void> {
    for (const [podUid, since] of unseen) if (monotonicMs() - since > unseenMs) unseen.delete(podUid)
    const at = monotonicMs()
    listedAt ??= at
    // Events that came while the last notes were written are exact, and a comparison must not be there before them.
    const gone = [...pending].filter(([, facts]) => facts.gone !== undefined).map(([podUid]) => podUid)
    const view = { open: [...unseen.keys(), ...gone], listedAgoMs: at - listedAt }
    const { begun, ended } = await lives.compare(pods.all(), view)
    if (begun > 0 || ended > 0)
      logger.info({ begun, ended }, 'lives of pods that no event told of are recorded')
  }

  async function settle(): Promise<void> {
    while ((await lives.settle(rowsAtOnce)) === rowsAtOnce);
  }

  /** Writes what is new, and compares or confirms the open rows when it is time. */
  async function look(): Promise<void> {
    await write()
    const at = monotonicMs()
    if (!pods.synced() || isStale()) return
    trueAt = at
    if (at >= compareAt) {
      await compare()
      compareAt = at + compareMs
    } else if (at >= lookedAt) await lives.noteLooked()
    else return
    lookedAt = at + lookedMs
    await settle()
  }

  /** Records until the leadership ends, and then once more. */
  async function run(signal: AbortSignal): Promise<void> {
    compareAt = 0
    await every({ name: 'pod-lives', everyMs: writeMs, signal, logger, metrics }, look)
    await write().catch((error: unknown) => {
      logger.warn(
        { err: error },
        'the last lives of pods could not be written; the next leader compares them',
      )
    })
  }

  return {
    /** Takes every change of the informer, in every process. */
    seen,

    created,
    look,
    run,
  }
}

export type PodLives = ReturnType<typeof createPodLives>

function earlier(a: number | undefined, b: number | undefined): number | undefined {
  if (a === undefined || b === undefined) return a ?? b
  return Math.min(a, b)
}

function noteOf(podUid: string, facts: Facts, at: number): PodLifeNote {
  const agoOf = (time: number | undefined) => (time === undefined ? undefined : at - time)
  return {
    podUid,
    agentType: facts.agentType,
    createdAt: facts.createdAt,
    createdAgoMs: agoOf(facts.created),
    readyAgoMs: agoOf(facts.ready),
    deletingAt: facts.deletingAt,
    goneAgoMs: agoOf(facts.gone),
    goneInexactMs: facts.goneInexactMs ?? 0,
  }
}
