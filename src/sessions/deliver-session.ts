import type { Assignment, LiveKitAccess } from '../domain/assignment.ts'
import type { AgentDelivery, DeliveryOutcome, PodView } from '../domain/cluster-ports.ts'
import type { Session } from '../domain/session.ts'
import type { TraceContext } from '../domain/trace-context.ts'

interface DeliverSessionDeps {
  readonly delivery: AgentDelivery
  readonly pods: PodView
  readonly sessionToken: (sessionId: string, epoch: number) => string
  readonly apiUrl: string | undefined
}

/** What goes to the pod and is in no row. */
interface Enclosed {
  readonly secrets?: Record<string, string> | undefined
  readonly livekit: LiveKitAccess | undefined
  readonly trace?: TraceContext | undefined
}

type DeliveredSession = Pick<Session, 'id' | 'epoch' | 'agentType' | 'room' | 'pod' | 'leaseMs'> &
  Partial<Pick<Session, 'metadata'>>

/**
 * Sends a session to its pod. The same session and epoch may be sent again: the agent answers 200 again, and takes the room
 * access that it brings.
 */
export function createDeliverSession({ delivery, pods, sessionToken, apiUrl }: DeliverSessionDeps) {
  return async function deliver(
    session: DeliveredSession,
    { secrets, livekit, trace }: Enclosed,
    deadlineMs: number,
  ): Promise<DeliveryOutcome> {
    const pod = session.pod && pods.get(session.pod.uid)
    if (!session.pod || !pod) return { kind: 'unreachable', reason: 'the pod is gone' }
    // Somebody changed its label. A session's secrets go to no pod of another type.
    if (pod.agentType !== session.agentType)
      return { kind: 'unreachable', reason: `the pod belongs to pool ${pod.agentType}` }
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
      ...(secrets && { secrets }),
      ...(apiUrl && { apiUrl }),
    }
    const recipient = { ...session.pod, assignKeyIds: pod.assignKeyIds }
    return delivery.assign(recipient, assignment, deadlineMs, trace)
  }
}

export type DeliverSession = ReturnType<typeof createDeliverSession>
