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

type Found =
  | { readonly recipient: Parameters<AgentDelivery['assign']>[0]; readonly assignment: Assignment }
  | { readonly problem: string }

/**
 * Sends a session to its pod. The same session and epoch may be sent again: the agent answers 200 again, and takes the room
 * access that it brings.
 */
export function createDeliverSession({ delivery, pods, sessionToken, apiUrl }: DeliverSessionDeps) {
  function find(session: DeliveredSession, { secrets, livekit }: Enclosed): Found {
    const pod = session.pod && pods.get(session.pod.uid)
    if (!session.pod || !pod) return { problem: 'the pod is gone' }
    // Somebody changed its label. A session's secrets go to no pod of another type.
    if (pod.agentType !== session.agentType) return { problem: `the pod belongs to pool ${pod.agentType}` }
    const { uid, name, ip } = session.pod
    const assignment: Assignment = {
      sessionId: session.id,
      epoch: session.epoch,
      podUid: uid,
      agentType: session.agentType,
      room: session.room,
      sessionToken: sessionToken(session.id, session.epoch),
      leaseMs: session.leaseMs,
      ...(livekit && { livekit }),
      ...(session.metadata && { metadata: session.metadata }),
      ...(secrets && { secrets }),
      ...(apiUrl && { apiUrl }),
    }
    return { recipient: { uid, name, ip, assignKeyIds: pod.assignKeyIds }, assignment }
  }

  async function deliver(
    session: DeliveredSession,
    enclosed: Enclosed,
    deadlineMs: number,
  ): Promise<DeliveryOutcome> {
    const found = find(session, enclosed)
    if ('problem' in found) return { kind: 'unreachable', reason: found.problem }
    return delivery.assign(found.recipient, found.assignment, deadlineMs, enclosed.trace)
  }

  /**
   * Does ahead what a delivery of this session, with the same enclosed, would begin with. Returns what must be called if it does
   * not follow.
   */
  function prepare(session: DeliveredSession, enclosed: Enclosed): () => void {
    const found = find(session, enclosed)
    return 'problem' in found ? () => {} : delivery.prepare(found.recipient, found.assignment)
  }

  return { deliver, prepare }
}

export type DeliverSession = ReturnType<typeof createDeliverSession>['deliver']
export type PrepareDelivery = ReturnType<typeof createDeliverSession>['prepare']
