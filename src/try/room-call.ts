import { LogLevel, type RemoteParticipant, Room, RoomEvent, setLogLevel, Track } from 'livekit-client'
import type { LiveKitAccess } from '../client/client.ts'

/** What happens in the room. */
export interface CallEvents {
  /** The agent is there, or was there already. It can hear when `active` resolves. */
  onAgent(active: Promise<void>): void
  /** All words of one message so far; it grows while a stream goes on. */
  onWords(messageId: string, text: string): void
  onVoice(track: MediaStreamTrack): void
  onTrouble(isReconnecting: boolean): void
  /** The connection is gone for good, and not by `leave`. */
  onLost(): void
}

export interface RoomCall {
  say(text: string): Promise<void>
  publish(track: MediaStreamTrack): Promise<void>
  leave(): Promise<void>
}

/** Text goes and comes by LiveKit's own topics; agents of LiveKit's framework speak on the second. */
const chatTopic = 'lk.chat'
const wordTopics = [chatTopic, 'lk.transcription'] as const

/** Joins the room. Throws when it cannot be reached. */
export async function joinRoom(access: LiveKitAccess, events: CallEvents): Promise<RoomCall> {
  setLogLevel(LogLevel.error)
  const room = new Room()
  let isLeaving = false
  const meet = (participant: RemoteParticipant) => {
    if (participant.identity.startsWith('agent-')) events.onAgent(participant.waitUntilActive())
  }
  room
    .on(RoomEvent.ParticipantConnected, meet)
    .on(RoomEvent.TrackSubscribed, (track, _publication, { identity }) => {
      if (track.kind !== Track.Kind.Audio || !identity.startsWith('agent-')) return
      // Chromium gives WebAudio a remote track only while an element plays it.
      track.attach()
      events.onVoice(track.mediaStreamTrack)
    })
    .on(RoomEvent.TrackUnsubscribed, (track) => track.detach())
    .on(RoomEvent.Reconnecting, () => events.onTrouble(true))
    .on(RoomEvent.Reconnected, () => events.onTrouble(false))
    .on(RoomEvent.Disconnected, () => {
      if (!isLeaving) events.onLost()
    })
  readWords(room, events)
  try {
    await room.connect(access.url, access.token)
  } catch (error) {
    isLeaving = true
    await room.disconnect()
    throw error
  }
  room.remoteParticipants.forEach(meet)
  return {
    async say(text) {
      await room.localParticipant.sendText(text, { topic: chatTopic })
    },
    async publish(track) {
      await room.localParticipant.publishTrack(track, { source: Track.Source.Microphone, dtx: false })
    },
    async leave() {
      isLeaving = true
      await room.disconnect()
    },
  }
}

/** Text streams, and data messages of agents that know no streams. */
function readWords(room: Room, events: CallEvents): void {
  for (const topic of wordTopics) {
    room.registerTextStreamHandler(topic, (reader, { identity }) => {
      // A transcription of the person's own speech comes in the same way.
      if (!identity.startsWith('agent-')) return
      const read = async () => {
        let text = ''
        for await (const part of reader) {
          text += part
          events.onWords(reader.info.id, text)
        }
      }
      read().catch(() => undefined)
    })
  }
  room.on(RoomEvent.DataReceived, (payload, sender) => {
    if (!sender?.identity.startsWith('agent-')) return
    events.onWords(crypto.getRandomValues(new Uint32Array(4)).join('-'), new TextDecoder().decode(payload))
  })
}
