import type { AudioSource, AudioStream, Room } from '@livekit/rtc-node'
import type { AgentSession } from './agent-session.ts'
import { joinRoom, type RtcModule } from './join-room.ts'

/** Text streams have no handler for every topic. These are LiveKit's own for chat, the client's default, and ours. */
const textTopics = ['lk.chat', '', 'echo']
/** A stream beyond this ends with an error: an agent must not hold what it cannot send back. */
const mostStreamBytes = 1024 * 1024

/** WebRTC's own rate: what is heard comes back without another conversion. One channel is what speech has. */
const audioFormat = { sampleRate: 48_000, numChannels: 1 }
/** Sound that waits longer is dropped: an echo that falls behind must catch up. */
const mostDelayMs = 200
/** Each echoed track costs 5 % of a core. A room of more speakers than this hears the first ones only. */
const mostTracks = 4

/**
 * Sends back what people say in the room: data messages on their topic and text streams to their sender, sound to the
 * room. It answers no agent, because two of them would talk for ever. A message counts when it is sent back, a track
 * counts once, with the delay of its first sound.
 */
export function echoInRoom(agent: AgentSession): void {
  let voice: Voice | undefined
  joinRoom(agent, {
    roomOptions: { dataStream: { maxPayloadByteLength: mostStreamBytes } },
    setUp(room, rtc) {
      voice = createVoice(room, rtc)
      echoData(agent, room, rtc)
      echoText(agent, room, rtc)
      echoAudio(agent, { room, rtc, voice })
    },
    // LiveKit tells the others of somebody without a track up to three seconds late, and of one with a track at once.
    onJoined: () => voice?.prepare(),
  })
}

function echoData(agent: AgentSession, room: Room, rtc: RtcModule): void {
  room.on('dataReceived', (payload, sender, kind, topic) => {
    if (sender && isAgent(sender, rtc)) return
    const options = {
      reliable: kind !== rtc.DataPacketKind.KIND_LOSSY,
      // LiveKit tells of somebody without tracks up to three seconds late. Until then the library does not know who
      // sent this, and the room gets the answer.
      ...(sender && { destination_identities: [sender.identity] }),
      ...(topic !== undefined && { topic }),
    }
    answer(agent, 'data', async () => room.localParticipant?.publishData(payload, options))
  })
}

function echoText(agent: AgentSession, room: Room, rtc: RtcModule): void {
  for (const topic of textTopics) {
    room.registerTextStreamHandler(topic, (reader, { identity }) => {
      if (isAgent(room.remoteParticipants.get(identity) ?? { identity }, rtc)) return
      answer(agent, 'text', async () => {
        const text = await reader.readAll()
        await room.localParticipant?.sendText(text, { topic, destinationIdentities: [identity] })
      })
    })
  }
}

function echoAudio(
  agent: AgentSession,
  { room, rtc, voice }: { room: Room; rtc: RtcModule; voice: Voice },
): void {
  let tracks = 0
  room.on('trackSubscribed', (track, _publication, sender) => {
    if (track.kind !== rtc.TrackKind.KIND_AUDIO || isAgent(sender, rtc) || tracks >= mostTracks) return
    tracks += 1
    // Listens before it can speak, so the first words wait here and are not lost.
    playBack(agent, voice, new rtc.AudioStream(track, audioFormat))
      .catch((error: unknown) => failed(agent, 'audio', error))
      .finally(() => {
        tracks -= 1
      })
  })
}

/** Until the track ends. */
async function playBack(agent: AgentSession, voice: Voice, heard: AudioStream): Promise<void> {
  const startedAt = performance.now()
  let counted = false
  const source = await voice.take()
  for await (const frame of heard) {
    if (source.queuedDuration > mostDelayMs) continue
    await source.captureFrame(frame)
    if (!counted) agent.metrics.messageProcessed((performance.now() - startedAt) / 1_000)
    counted = true
  }
  voice.giveBack(source)
}

/** The agent's own tracks. One is published ahead: that takes some 50 ms, which the first speaker need not wait. */
interface Voice {
  prepare(): Promise<void>
  take(): Promise<AudioSource>
  giveBack(source: AudioSource): void
}

function createVoice(room: Room, rtc: RtcModule): Voice {
  const free: Promise<AudioSource>[] = []
  async function publish(): Promise<AudioSource> {
    const source = new rtc.AudioSource(audioFormat.sampleRate, audioFormat.numChannels, mostDelayMs)
    const track = rtc.LocalAudioTrack.createAudioTrack('echo', source)
    const options = new rtc.TrackPublishOptions({ source: rtc.TrackSource.SOURCE_MICROPHONE })
    await room.localParticipant?.publishTrack(track, options)
    return source
  }
  return {
    async prepare() {
      const source = publish()
      free.push(source)
      await source
    },
    take: () => free.pop() ?? publish(),
    giveBack: (source) => void free.push(Promise.resolve(source)),
  }
}

/** By its kind, which its token gives; by the name that only agents get, while its kind is not known. */
function isAgent({ kind, identity }: { kind?: number; identity: string }, rtc: RtcModule): boolean {
  return kind === rtc.ParticipantKind.AGENT || identity.startsWith('agent-')
}

function answer(agent: AgentSession, kind: string, send: () => Promise<void>): void {
  const startedAt = performance.now()
  send().then(
    () => agent.metrics.messageProcessed((performance.now() - startedAt) / 1_000),
    (error: unknown) => failed(agent, kind, error),
  )
}

/** What people say is never logged, and LiveKit's messages may quote it. */
function failed({ log }: AgentSession, kind: string, error: unknown): void {
  log('warn', 'not echoed', { kind, error: error instanceof Error ? error.name : 'unknown' })
}
