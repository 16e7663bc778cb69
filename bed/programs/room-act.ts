import { warmRoom } from '../../src/agent/load-rtc.ts'
import { agentIdentity } from '../../src/domain/names.ts'
import type { AnswerBody, BedClient } from '../replicas/bed-client.ts'
import { disposeOfRooms, type RoomVisitor, visitRoom } from '../replicas/room-visitor.ts'

/** Times from the POST of the session, milliseconds. */
export interface RoomTimes {
  /** Until the participant was in the room. */
  readonly joinedMs: number
  /** Until its first words came back from the agent. */
  readonly wordsMs: number
  /** Until its own voice came back from the agent. */
  readonly voiceMs: number
}

interface RoomActOptions {
  readonly client: BedClient
  readonly agentType: string
  readonly say: (line: string) => void
}

/**
 * One session more, as a page with a button opens it: a participant joins its room, says words and speaks, and hears both
 * from the agent of the pod that was claimed. Undefined where there is no room to join, which is said.
 */
export async function playRoomAct({
  client,
  agentType,
  say,
}: RoomActOptions): Promise<RoomTimes | undefined> {
  // A page has its library loaded as well before somebody presses the button.
  const isThere = await warmRoom().then(
    () => true,
    () => false,
  )
  if (!isThere) {
    say('nobody joins a room: the optional package @livekit/rtc-node is not installed')
    return undefined
  }
  const pressedAt = performance.now()
  const since = () => performance.now() - pressedAt
  const { body: session, text } = await client.open({ agentType, participant: { identity: 'demo-caller' } })
  if (session.livekit === undefined) throw new Error(`the claim gave no room: ${text}`)
  try {
    const visitor = await visitRoom(session.livekit).catch((error: unknown) => {
      // The participant is the demo's own: this machine lets no WebRTC through.
      say(`nobody joins a room: ${error instanceof Error ? error.message : String(error)}`)
      return undefined
    })
    return visitor && (await talk(visitor, session, since))
  } finally {
    await client.end(session.id, '?wait=true')
    await disposeOfRooms()
  }
}

async function talk(visitor: RoomVisitor, session: AnswerBody, since: () => number): Promise<RoomTimes> {
  const joinedMs = since()
  const agent = agentIdentity(session.id, session.epoch)
  const voice = visitor.hearsItself(agent).then(since)
  try {
    await visitor.sees(agent)
    await visitor.exchange(`hello ${session.id}`, agent)
    const wordsMs = since()
    return { joinedMs, wordsMs, voiceMs: await voice }
  } finally {
    voice.catch(() => undefined)
    await visitor.leave()
  }
}
