import type { Assignment } from '../domain/assignment.ts'
import type { AgentDelivery, DeliveryOutcome, PodView, RoomAccess } from '../domain/ports.ts'
import type { Session } from '../domain/session.ts'

interface DeliverSessionDeps {
  readonly delivery: AgentDelivery
  readonly pods: PodView
  readonly roomAccess: RoomAccess | undefined
  readonly sessionToken: (sessionId: string, epoch: number) => string
  readonly apiUrl: string | undefined
}

/** Sends a PENDING session to its pod. The same session and epoch may be sent again: the agent says 200 twice. */
export function createDeliverSession({
  delivery,
  pods,
  roomAccess,
  sessionToken,
  apiUrl,
}: DeliverSessionDeps) {
  return async function deliver(
    session: Session,
    request: { readonly secrets?: Record<string, string> },
    deadlineMs: number,
  ): Promise<DeliveryOutcome> {
    const pod = session.pod && pods.get(session.pod.uid)
    if (!session.pod || !pod) return { kind: 'unreachable', reason: 'the pod is gone' }
    const livekit = await roomAccess?.forAgent(session.room, session.id, session.epoch)
    const assignment: Assignment = {
      sessionId: session.id,
      epoch: session.epoch,
      podUid: session.pod.uid,
      agentType: session.agentType,
      room: session.room,
      sessionToken: sessionToken(session.id, session.epoch),
      leaseMs: session.leaseMs,
      ...(livekit && { livekit }),
      ...(session.metadata && { metadata: session.metadata }),
      ...(request.secrets && { secrets: request.secrets }),
      ...(apiUrl && { apiUrl }),
    }
    return delivery.assign({ ...session.pod, assignKeyIds: pod.assignKeyIds }, assignment, deadlineMs)
  }
}

export type DeliverSession = ReturnType<typeof createDeliverSession>
