import { RoomServiceClient, ServerError } from 'livekit-server-sdk'
import type { RoomService } from '../domain/ports.ts'

interface RoomServiceOptions {
  readonly url: string
  readonly apiKey: string
  readonly apiSecret: string
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

/** The LiveKit server's own API. No claim ever waits for it. */
export function createRoomService(options: RoomServiceOptions): RoomService {
  const { url, apiKey, apiSecret, timeoutMs = defaultTimeoutMs } = options
  const client = new RoomServiceClient(url, apiKey, apiSecret, { requestTimeout: timeoutMs / 1_000 })

  return {
    async removeParticipant(room, identity) {
      const revokeTokenTs = BigInt(Math.floor(Date.now() / 1_000) + revokeAheadSeconds)
      try {
        await client.removeParticipant(room, identity, { revokeTokenTs })
        return true
      } catch (error) {
        if (error instanceof ServerError && (error.code === 'not_found' || error.status === 404)) return false
        throw new Error(`LiveKit did not remove a participant: ${reasonOf(error)}`, { cause: error })
      }
    },
  }
}

/** For every failure to connect the SDK's message is `fetch failed`; the cause is below it. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? `${error.message} (${error.cause.message})` : error.message
}
