import type { Client, ClientSession, SessionEnd } from '../client/client.ts'
import { joinRoom, type RoomCall } from './room-call.ts'
import type { StepClock } from './step-clock.ts'
import { type Loudness, measure, openVoice, type Voice } from './voice-source.ts'

/** One conversation: a session, its room, and the sound that goes both ways. */
export interface Conversation {
  say(text: string): void
  mute(isMuted: boolean): void
  /** Joins again after the connection was lost. */
  join(): Promise<void>
  end(): Promise<void>
}

export interface ConversationEvents {
  onSession(session: ClientSession): void
  onVoice(kind: Voice['kind'], loudness: Loudness): void
  onAgent(): void
  /** The first words are the page's own, so that there is something to hear back. */
  onGreeting(text: string): void
  onAgentVoice(loudness: Loudness): void
  onWords(messageId: string, text: string): void
  onTrouble(isReconnecting: boolean): void
  onLost(error?: unknown): void
  onOver(end: SessionEnd): void
}

interface ConversationOptions {
  readonly client: Client
  readonly agentType: string
  readonly voice: Voice['kind']
  readonly clock: StepClock
  readonly events: ConversationEvents
}

/** Louder than the noise of an empty track; the quietest speech is ten times as loud. */
const heardFrom = 0.005
const greeting = 'Hello'
/** An agent that has its connection may need a moment more before it listens. */
const greetAgainMs = 1_000

/** Begins with the person's click. Throws when no session can be opened. */
export async function startConversation(options: ConversationOptions): Promise<Conversation> {
  const { client, agentType, clock, events } = options
  clock.start()
  const audio = new AudioContext()
  const leaving = new AbortController()
  // Both at once: a person who is asked for the microphone takes seconds.
  const voice = openVoice(audio, options.voice)
  let session: ClientSession
  try {
    session = await client.open({ agentType }, { requestTimeoutMs: 20_000 })
  } catch (error) {
    voice.then((one) => one.stop()).catch(() => undefined)
    await audio.close()
    throw error
  }
  clock.mark('open')
  events.onSession(session)
  const call = createCall({ ...options, session, audio, voice, left: leaving.signal })
  void session.over.then(async (end) => {
    leaving.abort()
    await call.leave()
    events.onOver(end)
  })
  void call.join()
  return {
    say: call.say,
    mute: (isMuted) => call.mute(isMuted),
    join: call.join,
    end: () => session.end().then(() => undefined),
  }
}

interface CallParts extends Omit<ConversationOptions, 'voice'> {
  readonly session: ClientSession
  readonly audio: AudioContext
  readonly voice: Promise<Voice>
  readonly left: AbortSignal
}

function createCall({ session, audio, voice, left, clock, events }: CallParts) {
  let room: RoomCall | undefined
  let agentActive: Promise<void> | undefined
  let hasMet = false
  let hasAnswered = false
  let isSilent = false

  const say = (text: string) => void room?.say(text).catch(() => undefined)
  const greet = () => {
    if (hasAnswered || left.aborted) return
    say(greeting)
    setTimeout(greet, greetAgainMs)
  }
  /** When both are in the room: either may be the first. Only one meeting is greeted, also after a new join. */
  const meet = () => {
    if (!room || !agentActive) return
    events.onAgent()
    if (hasMet) return
    hasMet = true
    clock.mark('agent')
    void agentActive.then(() => {
      events.onGreeting(greeting)
      greet()
    })
  }
  const listen = (track: MediaStreamTrack) => {
    const loudness = measure(audio, track)
    events.onAgentVoice(loudness)
    const timer = setInterval(() => {
      if (left.aborted || loudness() > heardFrom) clearInterval(timer)
      if (!left.aborted && loudness() > heardFrom) clock.mark('audio')
    }, 20)
  }

  async function join(): Promise<void> {
    try {
      const access = await session.livekit()
      room = await joinRoom(access, {
        onAgent(active) {
          agentActive = active
          meet()
        },
        onWords(messageId, text) {
          hasAnswered = true
          clock.mark('echo')
          events.onWords(messageId, text)
        },
        onVoice: listen,
        onTrouble: (isReconnecting) => events.onTrouble(isReconnecting),
        onLost: () => void lost(),
      })
      clock.mark('join')
      meet()
      await speak(room)
    } catch (error) {
      // A session that has ended tells so itself.
      if (!left.aborted) events.onLost(error)
    }
  }

  async function speak(joined: RoomCall): Promise<void> {
    const own = await voice
    if (left.aborted) return
    events.onVoice(own.kind, measure(audio, own.track))
    own.track.enabled = !isSilent
    await joined.publish(own.track)
  }

  /** A room also goes away because its session has ended: then the server says why. */
  async function lost(): Promise<void> {
    room = undefined
    await session.refresh().catch(() => undefined)
    if (!session.signal.aborted) events.onLost()
  }

  async function leave(): Promise<void> {
    const [own] = await Promise.allSettled([voice, room?.leave()])
    if (own.status === 'fulfilled') own.value.stop()
    await audio.close()
  }

  return {
    say,
    join,
    leave,
    mute(isMuted: boolean) {
      isSilent = isMuted
      const set = ({ track }: Voice) => {
        track.enabled = !isMuted
      }
      voice.then(set).catch(() => undefined)
    },
  }
}
