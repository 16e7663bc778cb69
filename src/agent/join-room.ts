import { setImmediate } from 'node:timers/promises'
import type { Room, RoomOptions } from '@livekit/rtc-node'
import type { LiveKitAccess } from '../domain/assign-contract.ts'
import { type Backoff, createBackoff } from '../timing/backoff.ts'
import { pause } from '../timing/pause.ts'
import { traced } from '../tracing/spans.ts'
import type { AgentSession } from './agent-session.ts'
import { loadRtc, type RtcModule } from './load-rtc.ts'

export { type RtcModule, warmRoom } from './load-rtc.ts'

/**
 * Keeps the agent in its room until the session is over:
 * - joining: tries with growing pauses; a fresh token, when one comes, ends the pause;
 * - in the room: LiveKit's library bridges short breaks by itself (10 to 35 s);
 * - out again (LiveKit restarted, network gone for longer): joins anew, with a new Room;
 * - over: the session ended, or somebody else joined with this agent's identity.
 */
export interface RoomVisit {
  /** The first room that was joined; undefined when the session ended before. It never rejects. */
  readonly joined: Promise<Room | undefined>
  /** The room the agent is in now. */
  current(): Room | undefined
  /** Leaves for good. The SDK does this when the session is over. */
  leave(): Promise<void>
}

export interface JoinRoomOptions {
  /** Called with each new Room before it connects: listeners and stream handlers added here miss nothing. */
  readonly setUp?: (room: Room, rtc: RtcModule) => void
  /** Called each time the agent is in the room, also after it had lost it. */
  readonly onJoined?: (room: Room, rtc: RtcModule) => void | Promise<void>
  readonly roomOptions?: Partial<RoomOptions>
}

/** Between two tries. The first is short: the watchdog gives an agent ten seconds. */
const joinBackoff = { minMs: 250, maxMs: 5_000 }
/** A token that expires sooner is not tried. */
const freshForMs = 5_000
/** To leave takes some 30 ms. A LiveKit that does not answer must not use up the grace time. */
const leaveTimeoutMs = 2_000
/** Before a removed agent asks whether its session goes on: by then its end has mostly arrived. */
const afterRemovalMs = 2_000

interface Visit {
  readonly agent: AgentSession
  readonly options: JoinRoomOptions
  readonly signal: AbortSignal
  enter(room: Room): void
  leave(room: Room): Promise<void>
}

/**
 * Joins the room of the session in the background and reports `joined` by itself. It needs `@livekit/rtc-node`.
 * Errors of LiveKit are logged by kind only, because its messages quote the token.
 */
export function joinRoom(agent: AgentSession, options: JoinRoomOptions = {}): RoomVisit {
  const leaving = new AbortController()
  const signal = AbortSignal.any([agent.signal, leaving.signal])
  const first = Promise.withResolvers<Room | undefined>()
  let current: Room | undefined
  const visit: Visit = {
    agent,
    options,
    signal,
    enter(room) {
      current = room
      first.resolve(room)
    },
    async leave(room) {
      current = undefined
      await Promise.race([room.disconnect(), pause(leaveTimeoutMs)])
    },
  }
  const over = stayInRoom(visit).catch((error: unknown) => {
    // Not LiveKit's own words: this is a missing package or an error of the agent's set-up.
    agent.log('error', 'the agent does not join its room', { reason: reasonOf(error) })
  })
  void over.finally(() => first.resolve(undefined))
  agent.beforeExit(async () => {
    leaving.abort()
    await over
  })
  return {
    joined: first.promise,
    current: () => current,
    async leave() {
      leaving.abort()
      await over
    },
  }
}

async function stayInRoom(visit: Visit): Promise<void> {
  const { agent, signal } = visit
  // The acknowledgement goes first: to load the library holds the process up for 0.1 s.
  await setImmediate()
  const rtc = await loadRtc()
  const { DisconnectReason } = rtc
  while (!signal.aborted) {
    const startedAt = performance.now()
    const room = await traced('join room', () => join(visit, rtc))
    if (!room) return
    visit.enter(room)
    agent.joined()
    agent.log('info', 'joined', { ms: Math.round(performance.now() - startedAt) })
    const out = leftBy(room, signal)
    void callOnJoined(visit, room, rtc)
    const reason = await out
    await visit.leave(room)
    if (signal.aborted) return
    agent.log('warn', 'left the room', { reason: DisconnectReason[reason ?? 0] })
    // To join again would throw the other one out, and the two would go on like this for ever.
    if (reason === DisconnectReason.DUPLICATE_IDENTITY) return
    if (reason === DisconnectReason.ROOM_DELETED || reason === DisconnectReason.PARTICIPANT_REMOVED) {
      await pause(afterRemovalMs, signal)
      // The answer tells whether the session goes on. Joining without asking would create the room again.
      if (!signal.aborted) await agent.livekit.refresh()
    }
  }
}

/** Tries until the agent is in its room; undefined when the session is over. */
async function join({ agent, options, signal }: Visit, rtc: RtcModule): Promise<Room | undefined> {
  const backoff = createBackoff(joinBackoff)
  let failures = 0
  while (!signal.aborted) {
    const access = await usableAccess(agent)
    if (access) {
      const room = new rtc.Room()
      options.setUp?.(room, rtc)
      const outcome = await connect(room, access, { options, signal })
      if (outcome === 'joined') return room
      if (outcome === 'over') return undefined
      failures += 1
      agent.log('warn', 'not joined', { failures, reason: outcome })
      if (outcome === 'refused' && (await agent.livekit.refresh())?.token !== access.token && failures === 1)
        continue
    }
    await pauseUntilChanged(agent, backoff, signal)
  }
  return undefined
}

/** The newest access. One that is about to expire is renewed first; if that fails it is tried as it is. */
async function usableAccess({ livekit }: AgentSession): Promise<LiveKitAccess | undefined> {
  const access = livekit.access()
  const expires = access ? Date.parse(access.expiresAt) - Date.now() < freshForMs : false
  return expires ? livekit.refresh() : access
}

type Outcome = 'joined' | 'over' | 'refused' | 'unreachable'

async function connect(
  room: Room,
  { url, token }: LiveKitAccess,
  { options, signal }: { options: JoinRoomOptions; signal: AbortSignal },
): Promise<Outcome> {
  const joining = room
    .connect(url, token, { autoSubscribe: true, dynacast: false, ...options.roomOptions })
    .then(
      (): Outcome => 'joined',
      (error: unknown): Outcome => (/\b40[13]\b/.test(reasonOf(error)) ? 'refused' : 'unreachable'),
    )
  const over = Promise.withResolvers<Outcome>()
  const end = (): void => over.resolve('over')
  signal.addEventListener('abort', end)
  if (signal.aborted) end()
  const outcome = await Promise.race([joining, over.promise])
  // LiveKit may be away for hours: no try leaves a listener behind.
  signal.removeEventListener('abort', end)
  if (outcome === 'over') {
    // A connect cannot be called off. One that succeeds after the end leaves again.
    void joining.then((late) => (late === 'joined' ? room.disconnect() : undefined))
  }
  return outcome
}

/** Resolves with LiveKit's reason when the room is lost, with undefined when the session is over. */
function leftBy(room: Room, signal: AbortSignal): Promise<number | undefined> {
  return new Promise((resolve) => {
    room.once('disconnected', resolve)
    if (!room.isConnected || signal.aborted) resolve(undefined)
    signal.addEventListener('abort', () => resolve(undefined), { once: true })
  })
}

async function pauseUntilChanged(
  { livekit }: AgentSession,
  backoff: Backoff,
  signal: AbortSignal,
): Promise<void> {
  const done = new AbortController()
  void livekit.changed().then(() => done.abort())
  await backoff.pause(AbortSignal.any([signal, done.signal]))
}

async function callOnJoined({ agent, options }: Visit, room: Room, rtc: RtcModule): Promise<void> {
  try {
    await options.onJoined?.(room, rtc)
  } catch (error) {
    agent.log('error', 'onJoined failed', { reason: error instanceof Error ? error.name : 'unknown' })
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
