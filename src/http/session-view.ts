import type { LiveKitAccess } from '../domain/assignment.ts'
import { renewAfterMs, type Session } from '../domain/session.ts'
import { GreenroomError } from '../errors.ts'
import type { BrowserToken } from '../sessions/browser-token.ts'
import type { SessionView } from './api-schemas.ts'
import { cursorOf, placeOf, wrongCursor } from './place-cursor.ts'

/** A session as callers see it. The LiveKit token is in answers to open and token requests only. */
export function sessionView(session: Session, livekit?: LiveKitAccess): SessionView {
  return {
    id: session.id,
    status: session.status,
    agentType: session.agentType,
    roomName: session.roomName,
    epoch: session.epoch,
    ...(session.pod && { pod: { name: session.pod.name, uid: session.pod.uid, ip: session.pod.ip } }),
    lease: {
      expiresAt: rfc3339(session.leaseExpiresAt),
      renewAfterMs: renewAfterMs(session.leaseMs),
      heldBy: session.leaseHeldBy,
    },
    createdAt: rfc3339(session.createdAt),
    ...(session.endReason !== undefined && { endReason: session.endReason }),
    ...(session.projectId !== undefined && { projectId: session.projectId }),
    ...(session.metadata !== undefined && { metadata: session.metadata }),
    ...(session.activeAt !== undefined && { activeAt: rfc3339(session.activeAt) }),
    ...(session.endedAt !== undefined && { endedAt: rfc3339(session.endedAt) }),
    ...(session.agentJoinedAt !== undefined && { agentJoinedAt: rfc3339(session.agentJoinedAt) }),
    ...(session.agentOverdueAt !== undefined && { agentOverdueAt: rfc3339(session.agentOverdueAt) }),
    ...(session.participantJoinedAt !== undefined && {
      participantJoinedAt: rfc3339(session.participantJoinedAt),
    }),
    ...(session.endDetail !== undefined && { endDetail: session.endDetail }),
    ...(livekit && { livekit }),
  }
}

/** What a browser is told: neither the pod, which is inside, nor the metadata, which is between backend and agent. */
export function browserView({ pod: _pod, metadata: _metadata, ...view }: SessionView): SessionView {
  return view
}

export function browserTokenView({ token, expiresAt }: BrowserToken): Required<SessionView>['browserToken'] {
  return { token, expiresAt: rfc3339(expiresAt) }
}

function rfc3339(epochMs: number): string {
  return new Date(epochMs).toISOString()
}

/** The place after the last session of a page, for a reader that is bound to this project. */
export function cursorAfter({ createdAt, id }: Session, boundTo?: string): string {
  return cursorOf([createdAt, id], boundTo)
}

export function parseCursor(cursor: string, boundTo?: string): { createdAt: number; id: string } {
  const [createdAt, id] = placeOf(cursor, boundTo)
  if (typeof createdAt === 'number' && Number.isFinite(createdAt) && isSessionId(id)) return { createdAt, id }
  throw wrongCursor()
}

export function isSessionId(id: unknown): id is string {
  return typeof id === 'string' && /^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/.test(id)
}

/** An id of another form cannot be one of ours, and PostgreSQL would call it an error. */
export function sessionIdOf({ id }: { readonly id: string }): string {
  if (!isSessionId(id)) throw sessionNotFound(id)
  return id
}

export function sessionNotFound(id: string): GreenroomError {
  return new GreenroomError('GRN_SESSION_NOT_FOUND', `There is no session ${id.slice(0, 64)}.`)
}
