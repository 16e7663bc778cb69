import { type Static, Type } from 'typebox'
import { type AuditAction, type AuditEntry, type AuditLog, auditActions } from '../domain/audit.ts'
import { Name } from '../domain/session-request.ts'
import type { Service } from '../serving/service.ts'
import { refusals } from './api-schemas.ts'
import { cursorOf, placeOf, wrongCursor } from './place-cursor.ts'
import { projectFor, projectOf } from './project-of.ts'
import { isSessionId } from './session-view.ts'

const AuditQuery = Type.Object(
  {
    projectId: Type.Optional(Name(200)),
    limit: Type.Integer({ minimum: 1, maximum: 500, default: 100 }),
    cursor: Type.Optional(Type.String({ maxLength: 200 })),
  },
  { additionalProperties: false },
)

const AuditView = Type.Object({
  id: Type.String(),
  at: Type.String({ format: 'date-time', description: 'By the clock of the session server. RFC 3339, UTC.' }),
  by: Type.Object({ kind: Type.String(), id: Type.String() }, { description: 'Which credential did it.' }),
  projectId: Type.Optional(Type.String({ description: 'Whose session or key it was.' })),
  action: Type.Unsafe<AuditAction>(Type.Union(auditActions.map((action) => Type.Literal(action)))),
  subject: Type.String({
    description: 'The session, the key, the pool, the pod, the webhook, or the project whose limits it were.',
  }),
  detail: Type.Optional(Type.String({ description: 'What was before and what is now.' })),
})
export type AuditView = Static<typeof AuditView>

const AuditList = Type.Object({ entries: Type.Array(AuditView), nextCursor: Type.Optional(Type.String()) })
export type AuditList = Static<typeof AuditList>

export function addAuditRoutes(app: Service, log: Pick<AuditLog, 'list'>): void {
  const schema = {
    operationId: 'readAudit',
    summary: 'Which credential did what, newest first',
    tags: ['audit'],
    querystring: AuditQuery,
    response: { 200: AuditList, ...refusals },
  }
  app.get('/v1/audit', { config: { needs: 'admin' }, schema }, async (request) => {
    const { limit, cursor } = request.query
    const projectId = projectFor(request, request.query.projectId)
    // One more than is shown tells whether there is another page.
    const before = cursor === undefined ? undefined : entryBefore(cursor, projectOf(request))
    const found = await log.list({ projectId, before, limit: limit + 1 })
    const shown = found.slice(0, limit)
    const last = shown.at(-1)
    const nextCursor = found.length > limit && last && cursorOf([last.id], projectOf(request))
    return { entries: shown.map(auditView), ...(nextCursor && { nextCursor }) }
  })
}

function entryBefore(cursor: string, boundTo: string | undefined): string {
  const [id] = placeOf(cursor, boundTo)
  if (isSessionId(id)) return id
  throw wrongCursor()
}

function auditView({ id, at, by, projectId, action, subject, detail }: AuditEntry): AuditView {
  return {
    id,
    at: new Date(at).toISOString(),
    by,
    action,
    subject,
    ...(projectId !== undefined && { projectId }),
    ...(detail !== undefined && { detail }),
  }
}
