import { type Static, Type } from 'typebox'

/** What the session server says to a pod, and the pod's answer: DESIGN, the agent contract. Any language; plain HTTP. */

export {
  type AssignClaims,
  assignAlgorithm,
  assignPath,
  assignTokenTtlSeconds,
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
  /** Just-in-time secrets: they exist in this request and the agent's memory only. */
  secrets: Type.Optional(Type.Record(Type.String(), Type.String())),
  /** Bearer for renewing and finishing this session, bound to this epoch. */
  sessionToken: Type.String(),
  /** Where to renew and finish; absent when the session server has no address that pods can reach. */
  apiUrl: Type.Optional(Type.String()),
  leaseMs: Type.Integer(),
})
export type Assignment = Static<typeof Assignment>

/** Answer 200 to POST /assign: the echo that proves which pod took which session. */
export const AssignmentEcho = Type.Object({
  podUid: Type.String(),
  sessionId: Type.String(),
  epoch: Type.Integer(),
})
export type AssignmentEcho = Static<typeof AssignmentEcho>

/** Body of POST /end. */
export const EndOrder = Type.Object({
  sessionId: Type.String(),
  epoch: Type.Integer({ minimum: 1 }),
  reason: Type.String(),
})
export type EndOrder = Static<typeof EndOrder>
