import { ParticipantInfo_State, RoomServiceClient, ServerError } from 'livekit-server-sdk'
import { LiveKitError, type RoomService, type SeenRoom } from '../domain/room-ports.ts'
import { memoryRoom, roomMetadata } from './installation.ts'

interface RoomServiceOptions {
  readonly url: string
  readonly apiKey: string
  readonly apiSecret: string
  readonly installation: string
  /** Of one request. */
  readonly timeoutMs?: number
}

/** No caller waits for LiveKit. A longer time-out only keeps more requests open to a server that hangs. */
const defaultTimeoutMs = 3_000
/**
 * Tokens made before this time are refused afterwards. It lies in the future, because another replica made the token and
 * its clock may be ahead. No other participant ever has the identity.
 */
const revokeAheadSeconds = 60
/** Ten years. The room by which LiveKit's memory is known must not be closed for being empty. */
const memoryRoomSeconds = 315_360_000

/** The LiveKit server's own API. No claim ever waits for it. */
export function createRoomService(options: RoomServiceOptions): RoomService & {
  /** Resolves when LiveKit answers and takes the key. It changes nothing. */
  ping(): Promise<void>
} {
  const { url, apiKey, apiSecret, installation, timeoutMs = defaultTimeoutMs } = options
  const client = new RoomServiceClient(url, apiKey, apiSecret, { requestTimeout: timeoutMs / 1_000 })
  const memoryName = memoryRoom(installation)
  const metadata = roomMetadata(installation)

  /** undefined: there is no such room or participant. */
  async function asked<T>(what: string, answer: Promise<T>): Promise<T | undefined> {
    try {
      return await answer
    } catch (error) {
      if (error instanceof ServerError && (error.code === 'not_found' || error.status === 404))
        return undefined
      throw new LiveKitError(`LiveKit did not ${what}: ${reasonOf(error)}`, { cause: error })
    }
  }

  async function newMemory(): Promise<string> {
    const created = await asked(
      'create a room',
      client.createRoom({ name: memoryName, emptyTimeout: memoryRoomSeconds, metadata }),
    )
    if (!created) throw new LiveKitError('LiveKit did not create a room: it answered not_found')
    return created.sid
  }

  return {
    async ping() {
      await asked('list its rooms', client.listRooms([memoryName]))
    },

    async look(names) {
      const listed = (await asked('list its rooms', client.listRooms(names && [...names, memoryName]))) ?? []
      const rooms = new Map<string, SeenRoom>()
      let memory: string | undefined
      for (const room of listed) {
        if (room.name === memoryName) memory = room.sid
        else
          rooms.set(room.name, {
            name: room.name,
            people: room.numParticipants,
            isOurs: room.metadata === metadata,
          })
      }
      return { memory: memory ?? (await newMemory()), rooms }
    },

    async identitiesIn(room) {
      const found = await asked('list participants', client.listParticipants(room))
      // Who is not ACTIVE has only asked to come in: an agent that hangs in the middle is not there.
      return (found ?? [])
        .filter(({ state }) => state === ParticipantInfo_State.ACTIVE)
        .map(({ identity }) => identity)
    },

    async remove(room) {
      return (
        (await asked(
          'remove a room',
          client.deleteRoom(room).then(() => true),
        )) ?? false
      )
    },

    async removeParticipant(room, identity) {
      const revokeTokenTs = BigInt(Math.floor(Date.now() / 1_000) + revokeAheadSeconds)
      const removal = client.removeParticipant(room, identity, { revokeTokenTs }).then(() => true)
      return (await asked('remove a participant', removal)) ?? false
    },
  }
}

/** For every failure to connect the SDK's message is `fetch failed`; the cause is below it. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? `${error.message} (${error.cause.message})` : error.message
}
