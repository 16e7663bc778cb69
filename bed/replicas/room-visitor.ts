import type { RemoteTrack, Room } from '@livekit/rtc-node'
import { loadRtc } from '../../src/agent/load-rtc.ts'
import { settledWithin } from '../processes/settled-within.ts'

/** A person in the room of a session, as a caller's page would be: speaks to the agent and hears what it sends back. */
export interface RoomVisitor {
  /** Resolves when that participant is in the room. */
  sees(identity: string): Promise<void>
  /** Sends words and resolves when that participant has sent them back. */
  exchange(words: string, identity: string): Promise<void>
  /** Speaks a tone from now on, and resolves when that participant sends sound back, not silence. */
  hearsItself(identity: string): Promise<void>
  leave(): Promise<void>
}

interface VisitOptions {
  readonly url: string
  readonly token: string
  /** For each step; the agent may have to load its library first. */
  readonly timeoutMs?: number
}

/** Far longer than an answer takes. */
const sayAgainMs = 1_000
/** Where agents echo what people say. */
const topic = 'demo'
const sampleRate = 48_000
/** What an AudioSource takes at once: 10 ms. */
const samplesPerFrame = sampleRate / 100
/** A tone of 440 Hz, clearly louder than what a codec makes of silence. */
const [toneHz, toneVolume, heardVolume] = [440, 12_000, 1_000] as const

/** Joins the room. It needs `@livekit/rtc-node`, and {@link disposeOfRooms} at the end of the process. */
export async function visitRoom({ url, token, timeoutMs = 15_000 }: VisitOptions): Promise<RoomVisitor> {
  const rtc = await loadRtc()
  const room = new rtc.Room()
  const leaving = new AbortController()
  const heard: { readonly words: string; readonly from: string }[] = []
  room.on('dataReceived', (payload, sender) => {
    heard.push({ words: Buffer.from(payload).toString(), from: sender?.identity ?? '' })
  })
  const within = async (what: string, event: Promise<unknown>) => {
    if (!(await settledWithin(event, timeoutMs)))
      throw new Error(`${what} did not happen within ${timeoutMs} ms`)
    await event
  }
  await within('joining the room', room.connect(url, token, { autoSubscribe: true, dynacast: false }))
  return {
    sees: (identity) =>
      within(
        `${identity} in the room`,
        eventual(room, 'participantConnected', () => room.remoteParticipants.has(identity)),
      ),
    async exchange(words, identity) {
      const back = eventual(room, 'dataReceived', () =>
        heard.some((one) => one.words === words && one.from === identity),
      )
      const say = async () =>
        room.localParticipant?.publishData(Buffer.from(words), { reliable: true, topic })
      await say()
      // LiveKit drops what comes before it has connected the agent.
      const again = setInterval(() => void say(), sayAgainMs)
      await within(`"${words}" from ${identity}`, back).finally(() => clearInterval(again))
    },
    async hearsItself(identity) {
      const back = new Promise<void>((resolve, reject) => {
        room.on('trackSubscribed', (track, _publication, sender) => {
          if (sender.identity === identity) untilLoud(track).then(resolve, reject)
        })
      })
      await speak(room, leaving.signal)
      await within(`sound from ${identity}`, back)
    },
    async leave() {
      leaving.abort()
      await room.disconnect()
    },
  }
}

/** Ends the native part of the library, which would keep the process alive. */
export async function disposeOfRooms(): Promise<void> {
  const { dispose } = await loadRtc()
  await dispose()
}

/** Resolves when `isTrue`, looked at now and after each such event. */
function eventual(
  room: Room,
  event: 'participantConnected' | 'dataReceived',
  isTrue: () => boolean,
): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const look = () => {
    if (!isTrue()) return
    room.off(event, look)
    resolve()
  }
  room.on(event, look)
  look()
  return promise
}

/** Publishes a microphone that plays the tone until the visitor leaves. */
async function speak(room: Room, signal: AbortSignal): Promise<void> {
  const rtc = await loadRtc()
  const source = new rtc.AudioSource(sampleRate, 1)
  const track = rtc.LocalAudioTrack.createAudioTrack('voice', source)
  const options = new rtc.TrackPublishOptions({ source: rtc.TrackSource.SOURCE_MICROPHONE })
  await room.localParticipant?.publishTrack(track, options)
  const play = async () => {
    for (let at = 0; !signal.aborted; at += samplesPerFrame) {
      const samples = Int16Array.from({ length: samplesPerFrame }, (_none, n) =>
        Math.round(toneVolume * Math.sin((2 * Math.PI * toneHz * (at + n)) / sampleRate)),
      )
      await source.captureFrame(new rtc.AudioFrame(samples, sampleRate, 1, samplesPerFrame))
    }
    await track.close()
  }
  // An error means that the room is gone.
  void play().catch(() => undefined)
}

async function untilLoud(track: RemoteTrack): Promise<void> {
  const { AudioStream } = await loadRtc()
  for await (const { data } of new AudioStream(track, sampleRate, 1))
    if (data.some((sample) => Math.abs(sample) > heardVolume)) return
}
