import type { Room } from '@livekit/rtc-node'
import { AccessToken } from 'livekit-server-sdk'
import type { Test } from 'tap'
import { temporaryFolder } from '../../bed/processes/temporary-folder.ts'
import { until } from '../../bed/processes/until.ts'
import { type LiveKitServer, startLiveKit } from '../../bed/servers/livekit-server.ts'
import { loadRtc } from '../../src/agent/load-rtc.ts'
import type { Assignment, LiveKitAccess } from '../../src/domain/assignment.ts'
import { agentIdentity } from '../../src/domain/names.ts'
import { newAssignment, startHttp } from './contract-fixture.ts'

export const rtc = await loadRtc()
let sessions = 0

/** A real LiveKit, tokens for its rooms, and the part of the session server that an agent in a room calls. */
export async function openRooms(t: Test) {
  const folder = await temporaryFolder('rooms')
  const livekit = await startLiveKit({ folder: folder.path })
  t.teardown(async () => {
    await livekit.stop()
    await folder.remove()
  })
  const calls: string[] = []
  let assignment: Assignment | undefined
  const port = await startHttp(t, (request, response) => {
    calls.push(`${request.method} ${(request.url ?? '').split('/').pop()}`)
    void answerTo(request.url ?? '').then((answer) => response.end(JSON.stringify(answer)))
  })
  async function answerTo(url: string) {
    const lease = { renewAfterMs: 5_000 }
    if (!url.endsWith('/token') || !assignment) return { lease }
    return { lease, livekit: await accessOfAgent(livekit, assignment.room, assignment.sessionId) }
  }
  const called = (call: string, count = 1): Promise<true> =>
    until(`${count} x ${call}`, () => calls.filter((made) => made === call).length >= count)

  /** Another session, and its room. */
  async function newSession(access: Partial<LiveKitAccess> = {}): Promise<Assignment> {
    const sessionId = `0198c0de-0000-7000-8000-${String(++sessions).padStart(12, '0')}`
    const room = `room-${sessionId}`
    const granted = await accessOfAgent(livekit, room, sessionId)
    assignment = newAssignment({
      sessionId,
      room,
      apiUrl: `http://127.0.0.1:${port}`,
      livekit: { ...granted, ...access },
    })
    return assignment
  }

  return { livekit, calls, called, newSession, join: (room: string) => joinAs(t, { livekit, room }) }
}

type Keys = Pick<LiveKitServer, 'url' | 'apiKey' | 'apiSecret'>

export function accessOfAgent(keys: Keys, room: string, sessionId: string): Promise<LiveKitAccess> {
  return mint(keys, room, { identity: agentIdentity(sessionId, 1), kind: 'agent' })
}

async function mint(
  { url, apiKey, apiSecret }: Keys,
  room: string,
  { identity, kind }: { identity: string; kind?: 'agent' },
): Promise<LiveKitAccess> {
  const token = new AccessToken(apiKey, apiSecret, { identity, ttl: 600 })
  token.addGrant({ roomJoin: true, room, canPublish: true, canSubscribe: true, canPublishData: true })
  if (kind) token.kind = kind
  return {
    url,
    room,
    token: await token.toJwt(),
    expiresAt: new Date(Date.now() + 600_000).toISOString(),
  }
}

/** A person in the room, as a caller's page would be. */
export async function joinAs(
  t: Test,
  { livekit, room: name, identity = 'ada' }: { livekit: LiveKitServer; room: string; identity?: string },
) {
  const { url, token } = await mint(livekit, name, { identity })
  const room = new rtc.Room()
  const heard: string[] = []
  room.on('dataReceived', (payload, sender, _kind, topic) => {
    heard.push(`${sender?.identity} ${topic}: ${Buffer.from(payload).toString()}`)
  })
  room.registerTextStreamHandler('lk.chat', (reader, { identity: sender }) => {
    void reader.readAll().then((text) => heard.push(`${sender} text: ${text}`))
  })
  await room.connect(url, token, { autoSubscribe: true, dynacast: false })
  t.teardown(() => room.disconnect())
  const say = async (text: string, topic = 'chat') =>
    room.localParticipant?.publishData(Buffer.from(text), { reliable: true, topic })
  return {
    room,
    heard,
    say,
    /** Says it until this line comes back. */
    async isAnswered(line: string, text: string): Promise<void> {
      for (let tries = 0; !heard.includes(line); tries += 1) {
        if (tries === 20) throw new Error(`no answer: ${line}`)
        await say(text)
        await until(line, () => heard.includes(line), 1_000).catch(() => undefined)
      }
    },
    hears: (line: string) => until(`${identity} hears ${line}`, () => heard.includes(line)),
    sees: (other: string) => until(`${identity} sees ${other}`, () => room.remoteParticipants.has(other)),
    seesGone: (other: string) =>
      until(`${identity} sees ${other} go`, () => !room.remoteParticipants.has(other)),
  }
}

/** Speaks a tone of 440 Hz and resolves with the loudness (0 to 1) of what an agent sends back. */
export async function loudnessOfEcho(room: Room): Promise<number> {
  const sampleRate = 48_000
  const source = new rtc.AudioSource(sampleRate, 1)
  const track = rtc.LocalAudioTrack.createAudioTrack('voice', source)
  const echoed = await until('the track of an agent', () =>
    [...room.remoteParticipants.values()]
      .flatMap(({ trackPublications }) => [...trackPublications.values()])
      .map((publication) => publication.track)
      .find((found) => found !== undefined),
  )
  const echo = loudestOf(echoed)
  await room.localParticipant?.publishTrack(
    track,
    new rtc.TrackPublishOptions({ source: rtc.TrackSource.SOURCE_MICROPHONE }),
  )
  let speaking = true
  const speak = async (): Promise<void> => {
    for (let at = 0; speaking; at += 480) {
      const samples = Int16Array.from({ length: 480 }, (_none, n) =>
        Math.round(12_000 * Math.sin((2 * Math.PI * 440 * (at + n)) / sampleRate)),
      )
      await source.captureFrame(new rtc.AudioFrame(samples, sampleRate, 1, 480))
    }
  }
  const spoken = speak()
  const loudness = await echo
  speaking = false
  await spoken
  await track.close()
  return loudness
}

/** The loudest of the first 150 frames (one and a half seconds): the first ones are silence. */
async function loudestOf(track: ConstructorParameters<typeof rtc.AudioStream>[0]): Promise<number> {
  let loudest = 0
  let frames = 0
  for await (const { data } of new rtc.AudioStream(track, 48_000, 1)) {
    const energy = data.reduce((sum, sample) => sum + (sample / 32_768) ** 2, 0) / data.length
    loudest = Math.max(loudest, Math.sqrt(energy))
    if (++frames === 150) break
  }
  return loudest
}
