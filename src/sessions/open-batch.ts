import type { SessionStore } from '../domain/session-ports.ts'
import type { OpenRequest } from '../domain/session-request.ts'
import { GreenroomError } from '../errors.ts'
import type { Metrics } from '../metrics.ts'
import type { BeginOpen } from './begin-open.ts'
import type { Prior } from './commit-slot.ts'
import type { DecideBatch } from './decide-batch.ts'
import { BatchFailure, type Decided, type DeliverBatch } from './deliver-batch.ts'
import { standingOf } from './earlier-open.ts'
import { noteOpen, outcomeOf, outcomeOfError } from './note-open.ts'
import type { OpenAttempts } from './open-attempts.ts'
import { deliveryFailed, poolDegraded } from './open-failure.ts'
import { noteEarlierArrival } from './open-progress.ts'
import type { OpenAnswer, OpenSession } from './open-session.ts'
import type { OpenContext, Opening } from './opening.ts'
import type { ProjectGate } from './project-gate.ts'
import type { RoomTokens } from './room-tokens.ts'

/**
 * In the queue for a pod each session of a batch stands this far behind the one before it, as if its caller had asked ten
 * times a second: who asks once waits behind few sessions of a batch, not behind fifty.
 */
const spacingMs = 100
/** Another request of the same key may come first while this one decides, and then its sessions are there. */
const mostStarts = 3

interface OpenBatchDeps {
  readonly beginOpen: BeginOpen
  readonly openSession: OpenSession
  readonly sessions: Pick<SessionStore, 'getMany'>
  readonly attempts: Pick<OpenAttempts, 'isDegraded'>
  readonly decide: DecideBatch
  readonly deliver: DeliverBatch
  readonly gate: Pick<ProjectGate, 'admitAll'>
  readonly tokens: Pick<RoomTokens, 'participant'>
  readonly metrics: Metrics
  /** Monotonic milliseconds. */
  readonly now: () => number
}

/** For whom and how a batch is opened: as for a single open, whose key and place each session has of its own. */
export interface BatchContext extends Omit<OpenContext, 'headStartMs' | 'batchPlace' | 'handsOver'> {
  readonly headStartMs: (projectId: string | undefined) => number
}

export type BatchResult = { readonly answer: OpenAnswer } | { readonly refusal: GreenroomError }

/** POST /v1/sessions:batch: several sessions in one request, all of them or as many as there are pods (ADR 49). */
export function createOpenBatch(deps: OpenBatchDeps) {
  const { beginOpen, openSession, attempts, decide, deliver, gate, metrics, now } = deps

  /** As many as can be had: each is an open of its own, and none of them fails for another. */
  async function openAvailable(
    requests: readonly OpenRequest[],
    context: BatchContext,
  ): Promise<readonly BatchResult[]> {
    const begun = now()
    const count = requests.length
    const results = await Promise.all(
      requests.map(async (request, nth): Promise<BatchResult> => {
        const headStartMs = context.headStartMs(request.projectId) - nth * spacingMs
        const batchPlace = { nth, count, atomic: false }
        try {
          return { answer: await openSession(request, { ...context, headStartMs, batchPlace }) }
        } catch (error) {
          if (error instanceof GreenroomError) return { refusal: error }
          context.logger.error({ err: error, nth }, 'a session of a batch failed unexpectedly')
          return { refusal: new GreenroomError('GRN_INTERNAL', undefined, { cause: error }) }
        }
      }),
    )
    const opened = results.filter((result) => 'answer' in result).length
    noteBatch('available', opened === count ? 'opened' : opened > 0 ? 'partial' : 'refused', begun)
    return results
  }

  function noteBatch(mode: 'all' | 'available', outcome: string, begun: number): void {
    metrics.batchSeconds.observe({ mode, outcome }, (now() - begun) / 1_000)
  }

  /** All of them or none; throws what stands in the way of the first that cannot be opened. */
  async function openAll(
    requests: readonly OpenRequest[],
    context: BatchContext,
  ): Promise<readonly OpenAnswer[]> {
    try {
      return await timed(requests.map((request, nth) => ofEntry(nth, () => begin(request, nth))))
    } catch (error) {
      throw error instanceof BatchFailure ? refusalOf(error, requests.length) : error
    }
    function begin(request: OpenRequest, nth: number): Opening {
      if (request.onEmpty === 'cold')
        throw new GreenroomError(
          'GRN_INVALID_REQUEST',
          'onEmpty "cold" makes a pod later, and an atomic batch has all its pods at once.',
        )
      const batchPlace = { nth, count: requests.length, atomic: true }
      return beginOpen(request, {
        ...context,
        headStartMs: context.headStartMs(request.projectId),
        batchPlace,
      })
    }
  }

  /** Each session counts as an open of its own. */
  async function timed(openings: readonly Opening[]): Promise<readonly OpenAnswer[]> {
    const begun = now()
    const note = (opening: Opening | undefined, outcome: string) => {
      if (opening) noteOpen(metrics, opening, { outcome, ms: now() - begun })
    }
    try {
      const answers = await answerAll(openings)
      for (const [nth, answer] of answers.entries()) note(openings[nth], outcomeOf(answer))
      noteBatch('all', 'opened', begun)
      return answers
    } catch (error) {
      const outcome = outcomeOfError(error instanceof BatchFailure ? error.cause : error)
      for (const opening of openings) note(opening, outcome)
      noteBatch('all', 'refused', begun)
      throw error
    }
  }

  async function answerAll(openings: readonly Opening[]): Promise<readonly OpenAnswer[]> {
    for (let starts = 1; ; starts += 1) {
      const answers = await tryAll(openings)
      if (answers) return answers
      if (starts >= mostStarts) throw deliveryFailed()
    }
  }

  /** undefined when another request of the same key came first. */
  async function tryAll(openings: readonly Opening[]): Promise<readonly OpenAnswer[] | undefined> {
    const standing = await readEarlier(openings)
    const missing = standing.flatMap(({ opening, prior }) => (prior ? [{ opening, prior }] : []))
    if (missing.some(({ opening }) => attempts.isDegraded(opening))) throw poolDegraded()
    const leave = await gate.admitAll(missing.map(({ opening }) => opening))
    try {
      const decided = missing.length === 0 ? new Map() : await decide(missing)
      if (!decided) return undefined
      const all = standing.flatMap(({ opening, prior, found }): Decided[] => {
        const session = found ?? decided.get(opening)
        return session ? [{ opening, prior: prior ?? none, session, isOwn: found === undefined }] : []
      })
      const sessions = await deliver(all)
      return await Promise.all(sessions.map((session, nth) => answerOf(all[nth] as Decided, session)))
    } finally {
      leave()
    }
  }

  /** What an earlier request of this key has left of each: a session to follow, or the state to start from. */
  async function readEarlier(openings: readonly Opening[]) {
    const hasKey = openings[0]?.identity.fingerprint !== undefined
    const ids = openings.map(({ identity }) => identity.id)
    const present = new Map(
      hasKey ? (await deps.sessions.getMany(ids)).map((session) => [session.id, session]) : [],
    )
    return openings.map((opening, nth) =>
      ofEntry(nth, () => {
        const session = present.get(opening.identity.id)
        if (!session) return { opening, prior: none, found: undefined }
        if (standingOf(opening, session) === 'live') return { opening, prior: undefined, found: session }
        noteEarlierArrival(opening.progress)
        return { opening, prior: { kind: 'failed', session } as Prior, found: undefined }
      }),
    )
  }

  async function answerOf({ opening, isOwn }: Decided, session: Decided['session']): Promise<OpenAnswer> {
    const { progress } = opening
    const livekit = await deps.tokens.participant(progress.tokens, session)
    return { session, livekit, replayed: !isOwn, stagesMs: progress.stagesMs }
  }

  return { openAll, openAvailable }
}

export type OpenBatch = ReturnType<typeof createOpenBatch>

const none: Prior = { kind: 'none', session: undefined }

function ofEntry<T>(nth: number, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw new BatchFailure(nth, error)
  }
}

function refusalOf({ nth, cause }: BatchFailure, count: number): unknown {
  if (!(cause instanceof GreenroomError)) return cause
  const { code, message, retryAfterMs } = cause
  const sentence = `No session was opened, because of sessions/${nth} of ${count}: ${message}`
  return new GreenroomError(code, sentence, { cause, ...(retryAfterMs !== undefined && { retryAfterMs }) })
}
