import type { Room, TextStreamReader } from '@livekit/rtc-node'
import { loadRtc, type RtcModule } from '../../agent/load-rtc.ts'
import type { LiveKitAccess } from '../../client/api-types.ts'
import { agentOf } from '../../domain/names.ts'
import { GreenroomError } from '../../errors.ts'
import { pause } from '../../timing/pause.ts'

/** The room of one session, as its person: says something to the agent and hears what it answers. */
export interface RoomTalk {
  /** One after the other: answers carry nothing that tells which words they are for. */
  say(text: string, to: Address): Promise<TalkAnswer>
  isConnected(): boolean
  leave(): Promise<void>
}

interface Address {
  readonly sessionId: string
  readonly waitMs: number
  readonly signal: AbortSignal
}

export interface TalkAnswer {
  /** The agent's identity in the room. */
  readonly from: string
  readonly text: string
  readonly ms: number
}

/** LiveKit's topic for chat, and that on which LiveKit's agents publish what they say. */
const chatTopic = 'lk.chat'
const topics = [chatTopic, 'lk.transcription'] as const
/** The agent joins behind the answer to the open; its pool ends a session whose agent does not. */
const joinWaitMs = 15_000
/** A stream beyond this ends with an error: an answer has to fit a model's context. */
const mostStreamBytes = 256 * 1024

type Heard = (from: string, text: string) => void

/** Throws GRN_PACKAGE_MISSING, or GRN_LIVEKIT_UNAVAILABLE when the room cannot be joined. */
export async function joinTalk({ url, token }: LiveKitAccess): Promise<RoomTalk> {
  const rtc = await loadRtc().catch((error: unknown) => {
    throw new GreenroomError('GRN_PACKAGE_MISSING', undefined, { cause: error })
  })
  const room = new rtc.Room()
  const listeners = new Set<Heard>()
  listen(room, (from, text) => {
    for (const heard of listeners) heard(from, text)
  })
  const options = {
    autoSubscribe: false,
    dynacast: false,
    dataStream: { maxPayloadByteLength: mostStreamBytes },
  }
  await room.connect(url, token, options).catch((error: unknown) => {
    // LiveKit's own words quote the token.
    throw new GreenroomError('GRN_LIVEKIT_UNAVAILABLE', 'The room of the session could not be joined.', {
      cause: error instanceof Error ? error.name : 'unknown',
    })
  })
  let before: Promise<unknown> = Promise.resolve()
  return {
    say(text, to) {
      const turn = before.then(() => sayAndHear({ room, rtc, listeners }, text, to))
      before = turn.catch(() => undefined)
      return turn
    },
    isConnected: () => room.isConnected,
    leave: () => room.disconnect(),
  }
}

/** Ends the native part of the library, which would keep the process alive. */
export async function disposeOfTalks(): Promise<void> {
  await loadRtc().then(
    ({ dispose }) => dispose(),
    () => undefined,
  )
}

/** Text streams have no handler for every topic; data messages have. */
function listen(room: Room, heard: Heard): void {
  const read = async (reader: TextStreamReader, from: string) => {
    // A transcription comes in parts; the last one is final and has all of it.
    const isFinal = reader.info.attributes?.['lk.transcription_final'] !== 'false'
    const text = await reader.readAll()
    if (isFinal) heard(from, text)
  }
  for (const topic of topics)
    room.registerTextStreamHandler(topic, (reader, { identity }) => {
      void read(reader, identity).catch(() => undefined)
    })
  room.on('dataReceived', (payload, sender) => {
    if (sender) heard(sender.identity, Buffer.from(payload).toString())
  })
}

interface Talking {
  readonly room: Room
  readonly rtc: RtcModule
  readonly listeners: Set<Heard>
}

async function sayAndHear(talking: Talking, text: string, to: Address): Promise<TalkAnswer> {
  const { room, listeners } = talking
  const { sessionId, waitMs, signal } = to
  const agent = await agentIn(room, sessionId, signal)
  const startedAt = performance.now()
  const answered = Promise.withResolvers<string>()
  const heard: Heard = (from, words) => {
    if (from === agent && words.trim() !== '') answered.resolve(words)
  }
  listeners.add(heard)
  const over = new AbortController()
  try {
    await room.localParticipant?.sendText(text, { topic: chatTopic, destinationIdentities: [agent] })
    const late = pause(waitMs, AbortSignal.any([over.signal, signal]))
    const answer = await Promise.race([answered.promise, late])
    signal.throwIfAborted()
    if (answer === undefined)
      throw new GreenroomError('GRN_AGENT_SILENT', `The agent did not answer within ${waitMs / 1_000} s.`)
    return { from: agent, text: answer, ms: Math.round(performance.now() - startedAt) }
  } finally {
    over.abort()
    listeners.delete(heard)
  }
}

/** The identity of the session's agent, when it is in the room. */
async function agentIn(room: Room, sessionId: string, signal: AbortSignal): Promise<string> {
  const found = Promise.withResolvers<string>()
  const look = () => {
    const agent = [...room.remoteParticipants.keys()].find((one) => agentOf(one)?.sessionId === sessionId)
    if (agent !== undefined) found.resolve(agent)
  }
  const over = new AbortController()
  room.on('participantConnected', look)
  look()
  try {
    const late = pause(joinWaitMs, AbortSignal.any([over.signal, signal]))
    const agent = await Promise.race([found.promise, late])
    signal.throwIfAborted()
    if (agent === undefined) throw new GreenroomError('GRN_AGENT_NOT_IN_ROOM')
    return agent
  } finally {
    over.abort()
    room.off('participantConnected', look)
  }
}
