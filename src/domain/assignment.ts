import { type Static, Type } from 'typebox'

/** The bodies of the agent contract (DESIGN §4): what the session server sends to a pod, and what the pod answers. */

export {
  type AssignClaims,
  assignAlgorithm,
  assignPath,
  assignTokenTtlSeconds,
  confirmPath,
  endPath,
} from './assign-contract.ts'

export const LiveKitAccess = Type.Object({
  url: Type.String(),
  room: Type.String(),
  token: Type.String(),
  /** RFC 3339 UTC. */
  expiresAt: Type.String(),
})
export type LiveKitAccess = Static<typeof LiveKitAccess>

/** Body of POST /assign. */
export const Assignment = Type.Object({
  sessionId: Type.String(),
  epoch: Type.Integer({ minimum: 1 }),
  podUid: Type.String(),
  agentType: Type.String(),
  room: Type.String(),
  /** Room-scoped access of the agent; absent when LiveKit is not configured. */
  livekit: Type.Optional(LiveKitAccess),
  metadata: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
  /** Just-in-time secrets. They exist only in this request and in the agent's memory. */
  secrets: Type.Optional(Type.Record(Type.String(), Type.String())),
  /** Bearer with which the agent renews and finishes this session, bound to this epoch. */
  sessionToken: Type.String(),
  /** Address at which to renew and finish; absent when pods cannot reach the session server. */
  apiUrl: Type.Optional(Type.String()),
  leaseMs: Type.Integer(),
})
export type Assignment = Static<typeof Assignment>

/** Answer 200 to POST /assign: the echo that proves which pod took which session. */
export const AssignmentEcho = Type.Object({
  podUid: Type.String(),
  sessionId: Type.String(),
  epoch: Type.Integer(),
  /** The agent answers POST /confirm, so the session server need not write down first that it took the session. */
  confirms: Type.Optional(Type.Boolean()),
})
export type AssignmentEcho = Static<typeof AssignmentEcho>

/** Body of POST /confirm: does this pod serve this session? It never assigns. */
export const ConfirmQuestion = Type.Object({
  sessionId: Type.String(),
  epoch: Type.Integer({ minimum: 1 }),
  /** The last question: a pod that has no session answers no, and takes none from then on. */
  seal: Type.Boolean(),
})
export type ConfirmQuestion = Static<typeof ConfirmQuestion>

/** Body of POST /end. */
export const EndOrder = Type.Object({
  sessionId: Type.String(),
  epoch: Type.Integer({ minimum: 1 }),
  reason: Type.String(),
})
export type EndOrder = Static<typeof EndOrder>
