import { Type } from 'typebox'
import type { RoomEvent } from '../domain/room-ports.ts'
import { GreenroomError } from '../errors.ts'
import type { Service } from '../serving/service.ts'
import type { TakeRoomEvent } from '../sessions/take-room-event.ts'
import { refusals } from './api-schemas.ts'

export interface LiveKitRouteDeps {
  /** undefined: LiveKit did not sign this body. */
  readonly readRoomEvent: (
    rawBody: string,
    authorization: string | undefined,
  ) => Promise<RoomEvent | undefined>
  readonly takeRoomEvent: TakeRoomEvent
  readonly onRefused: () => void
}

/** A participant's name, metadata and attributes are in an event: up to 64 KiB each, and six bytes for one when escaped. */
const bodyLimit = 1024 * 1024
const contentType = 'application/webhook+json'

/** LiveKit's webhooks. They carry a signature of LiveKit instead of an API key, over the body as it was sent. */
export function addLiveKitRoute(app: Service, deps: LiveKitRouteDeps): void {
  // In a scope of its own: no other route takes this content type.
  app.register(async (scope) => {
    scope.addContentTypeParser(contentType, { parseAs: 'string', bodyLimit }, (_request, body, done) =>
      done(null, body),
    )
    scope.removeContentTypeParser('application/json')
    const schema = {
      operationId: 'liveKitWebhook',
      summary: 'Where LiveKit reports what happens in rooms',
      description: `Content-Type ${contentType}, signed by LiveKit with its API key and secret.`,
      tags: ['livekit'],
      response: { 204: Type.Null({ description: 'Taken, or not needed.' }), ...refusals },
    }
    scope.post(
      '/v1/livekit/webhook',
      { config: { signedByLiveKit: true }, schema, bodyLimit },
      async (request, reply) => {
        const event = await deps.readRoomEvent(String(request.body), request.headers.authorization)
        if (!event) {
          deps.onRefused()
          throw new GreenroomError('GRN_WEBHOOK_UNSIGNED')
        }
        await deps.takeRoomEvent(event)
        return reply.code(204).send()
      },
    )
  })
}
