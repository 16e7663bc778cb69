import { WebhookReceiver } from 'livekit-server-sdk'
import type { RoomEvent } from '../domain/room-ports.ts'

interface RoomEventsOptions {
  readonly apiKey: string
  readonly apiSecret: string
}

/** Reads LiveKit's webhooks. */
export interface RoomEvents {
  /**
   * undefined: LiveKit did not sign this body, or signed it too long ago. LiveKit signs with the API secret, and the
   * signature covers the body, so a token of a participant does not serve as one.
   */
  read(rawBody: string, authorization: string | undefined): Promise<RoomEvent | undefined>
}

export function createRoomEvents({ apiKey, apiSecret }: RoomEventsOptions): RoomEvents {
  const receiver = new WebhookReceiver(apiKey, apiSecret)
  return {
    async read(rawBody, authorization) {
      try {
        const { id, event, room, participant } = await receiver.receive(rawBody, authorization)
        return { id, event, room: room?.name ?? '', identity: participant?.identity }
      } catch {
        // The SDK tells neither the kinds of failure apart nor what is safe to repeat.
        return undefined
      }
    },
  }
}
