import type { Room } from '@livekit/rtc-node'
import { loadRtc, warmRoom } from '../../src/agent/load-rtc.ts'
import { answerCalls } from './bench-process.ts'
import type { RoomFloorCalls } from './room-floor.ts'

/** A process that joins one room and sends back data: what an agent in a room costs without Greenroom; see `room-floor.ts`. */
let room: Room | undefined

const calls: RoomFloorCalls = {
  warm: () => warmRoom(),
  async connect({ url, token }) {
    const rtc = await loadRtc()
    const joined = new rtc.Room()
    joined.on('dataReceived', (payload, _sender, _kind, topic) => {
      void joined.localParticipant?.publishData(payload, { reliable: true, ...(topic && { topic }) })
    })
    await joined.connect(url, token, { autoSubscribe: true, dynacast: false })
    const atMs = performance.timeOrigin + performance.now()
    room = joined
    // A participant without a track is announced to the others seconds later; the echo agent has one as well.
    const source = new rtc.AudioSource(48_000, 1)
    const track = rtc.LocalAudioTrack.createAudioTrack('echo', source)
    const options = new rtc.TrackPublishOptions({ source: rtc.TrackSource.SOURCE_MICROPHONE })
    void joined.localParticipant?.publishTrack(track, options)
    return atMs
  },
  async leave() {
    await room?.disconnect()
  },
}
answerCalls(calls)
