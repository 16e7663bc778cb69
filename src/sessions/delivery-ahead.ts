import type { OpenRecord } from '../domain/session-ports.ts'
import type { PrepareDelivery } from './deliver-session.ts'
import type { Opening } from './opening.ts'
import type { RoomTokens } from './room-tokens.ts'

interface DeliveryAheadDeps {
  readonly tokens: Pick<RoomTokens, 'beginAgent' | 'agent'>
  readonly prepare: PrepareDelivery
}

/**
 * While PostgreSQL is asked for a pod, everything of its delivery is done that needs no answer: the agent's LiveKit token, the
 * signature, and the connection. With one open at a time none of it costs the caller any time then (ADR 46). Nothing is sent
 * before PostgreSQL has answered.
 *
 * To be called when the claim is submitted. Returns what must be called with its answer: whether the pod is this session's.
 */
export function createDeliveryAhead({ tokens, prepare }: DeliveryAheadDeps) {
  return function prepareAhead({ request, progress, context }: Opening, record: OpenRecord) {
    let isAnswered = false
    let drop = (): void => {}

    async function begin(): Promise<void> {
      if (isAnswered) return
      tokens.beginAgent(progress.tokens, record)
      const livekit = await tokens.agent(progress.tokens, record)
      if (isAnswered) return
      drop = prepare(record, { secrets: request.secrets, livekit, trace: context.trace })
    }

    // A group commit sends its statement in such a callback too, and its own comes first.
    setImmediate(() => {
      // What fails here fails again in the delivery itself, which tells of it.
      begin().catch(() => {})
    })
    return (isOurs: boolean): void => {
      isAnswered = true
      if (!isOurs) drop()
    }
  }
}

export type PrepareAhead = ReturnType<typeof createDeliveryAhead>
