import type { LiveKitAccess } from '../domain/assignment.ts'
import type { Session } from '../domain/session.ts'
import type { SessionStore } from '../domain/session-ports.ts'
import type { OpenRequest } from '../domain/session-request.ts'
import { GreenroomError } from '../errors.ts'
import type { Metrics, OpenStage } from '../metrics.ts'
import type { BeginOpen } from './begin-open.ts'
import type { ColdOpens } from './cold-open.ts'
import type { Prior } from './commit-slot.ts'
import { standingOf } from './earlier-open.ts'
import { noteOpen, outcomeOf, outcomeOfError } from './note-open.ts'
import type { Attempted, OpenAttempts } from './open-attempts.ts'
import { deliveryFailed, isPoolEmpty, poolDegraded } from './open-failure.ts'
import { noteEarlierArrival } from './open-progress.ts'
import type { OpenContext, Opening } from './opening.ts'
import type { ProjectGate } from './project-gate.ts'
import type { RoomTokens } from './room-tokens.ts'
import type { SettleSessions } from './settle-sessions.ts'

interface OpenSessionDeps {
  readonly beginOpen: BeginOpen
  readonly sessions: SessionStore
  readonly attempts: OpenAttempts
  readonly coldOpens: ColdOpens
  readonly gate: Pick<ProjectGate, 'admit'>
  readonly tokens: RoomTokens
  readonly settled: SettleSessions['settled']
  readonly metrics: Metrics
  /** Monotonic milliseconds. */
  readonly now: () => number
}

export interface OpenAnswer {
  readonly session: Session
  readonly livekit: LiveKitAccess | undefined
  /** True when the session had been opened by an earlier request with the same key. */
  readonly replayed: boolean
  /** Milliseconds spent in each step. */
  readonly stagesMs: Partial<Record<OpenStage, number>>
}

/** POST /v1/sessions (DESIGN §3): one session per key, whichever replicas see its requests. */
export function createOpenSession(deps: OpenSessionDeps) {
  const { sessions, attempts, coldOpens, gate, tokens, metrics, now } = deps
  /** Of two requests with one key in this replica, the second follows the first. */
  const inFlight = new Map<string, { opening: Opening; answer: Promise<OpenAnswer> }>()

  async function openSession(request: OpenRequest, context: OpenContext): Promise<OpenAnswer> {
    const opening = deps.beginOpen(request, context)
    const begun = now()
    let outcome = 'GRN_INTERNAL'
    try {
      const answer = await joinOrRun(opening)
      outcome = outcomeOf(answer)
      return answer
    } catch (error) {
      outcome = outcomeOfError(error)
      throw error
    } finally {
      noteOpen(metrics, opening, { outcome, ms: now() - begun })
    }
  }

  async function joinOrRun(opening: Opening): Promise<OpenAnswer> {
    const { id, fingerprint } = opening.identity
    const first = inFlight.get(id)
    if (!first) return runAlone(opening)
    if (first.opening.identity.fingerprint !== fingerprint)
      throw new GreenroomError('GRN_IDEMPOTENCY_MISMATCH')
    try {
      return { ...(await first.answer), replayed: true }
    } catch (error) {
      // The first caller hung up and this is its retry, which now opens the session itself.
      if (!first.opening.context.signal.aborted || opening.context.signal.aborted) throw error
      return joinOrRun(opening)
    }
  }

  async function runAlone(opening: Opening): Promise<OpenAnswer> {
    const { id } = opening.identity
    const answer = run(opening)
    inFlight.set(id, { opening, answer })
    try {
      return await answer
    } finally {
      inFlight.delete(id)
    }
  }

  async function run(opening: Opening): Promise<OpenAnswer> {
    const { id, fingerprint } = opening.identity
    let prior: Prior = { kind: 'none', session: undefined }
    // Read first: the pool may be empty although the session that this key names is there.
    const present = fingerprint === undefined ? undefined : await sessions.get(id)
    if (present) {
      const answer = await follow(opening, present)
      if (answer) return answer
      noteEarlierArrival(opening.progress)
      prior = { kind: 'failed', session: present }
    }
    if (attempts.isDegraded(opening)) throw poolDegraded()
    const leave = await gate.admit(opening)
    try {
      return await claim(opening, prior)
    } finally {
      leave()
    }
  }

  async function claim(opening: Opening, first: Prior): Promise<OpenAnswer> {
    for (let prior = first; ; ) {
      const { kind, session } = await attempt(opening, prior)
      if (kind === 'claimed') return answerOf(opening, session, false)
      const answer = await follow(opening, session)
      if (answer) return answer
      prior = { kind: 'failed', session }
    }
  }

  /** With a pod, or cold when there is none and the caller would rather have one made than wait or be refused. */
  async function attempt(opening: Opening, prior: Prior): Promise<Attempted> {
    try {
      return await attempts.run(opening, prior)
    } catch (error) {
      if (opening.onEmpty !== 'cold' || !isPoolEmpty(error)) throw error
      return coldOpens.begin(opening, prior)
    }
  }

  /** The answer of an earlier open of this session; undefined when that one failed and this one may start again. */
  async function follow(opening: Opening, found: Session): Promise<OpenAnswer | undefined> {
    const session = await deps.settled(found)
    if (standingOf(opening, session) === 'failed') return undefined
    if (session.status === 'PENDING') return answerOf(opening, await followPending(opening, session), true)
    return answerOf(opening, session, true)
  }

  async function followPending(opening: Opening, session: Session): Promise<Session> {
    if (session.heldByReplica !== undefined) return coldOpens.follow(opening, session)
    const active = await attempts.redeliver(opening, session)
    if (!active) throw deliveryFailed()
    return active
  }

  async function answerOf(opening: Opening, session: Session, replayed: boolean): Promise<OpenAnswer> {
    const { progress } = opening
    const live = session.status === 'ACTIVE' || session.status === 'PENDING'
    const livekit = live ? await tokens.participant(progress.tokens, session) : undefined
    return { session, livekit, replayed, stagesMs: progress.stagesMs }
  }

  return openSession
}

export type OpenSession = ReturnType<typeof createOpenSession>
